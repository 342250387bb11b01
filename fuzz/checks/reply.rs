//! Replies of another server: a whole one is whole at its last byte and not before, and
//! written again it reads as what it was.

use lockstep::resp::reply::ReplyBuf;
use lockstep::resp::value::parse_value;

/// Every way to cut longer replies short would take too long.
const CUT_BYTES_MAX: usize = 200;

pub fn check(input: &[u8]) {
    let Ok(Some((value, len_bytes))) = parse_value(input) else {
        return;
    };
    assert!(len_bytes <= input.len());
    for end in 0..len_bytes.min(CUT_BYTES_MAX) {
        assert_eq!(parse_value(&input[..end]), Ok(None));
    }
    for resp3 in [false, true] {
        let mut out = ReplyBuf::with_protocol(resp3);
        value.write(&mut out);
        let (read, read_bytes) = parse_value(out.bytes()).unwrap().unwrap();
        assert_eq!(read_bytes, out.len_bytes());
        let mut again = ReplyBuf::with_protocol(resp3);
        read.write(&mut again);
        assert_eq!(again.bytes(), out.bytes());
    }
}
