//! Payloads for RESTORE, with footers of any kind: the given one, and a right one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockstep::rdb::dump::{Restored, decode, encode_string, seal, verify};
use lockstep::rdb::encode::Encoder;
use lockstep::rdb::format::Dialect;

fuzz_target!(|input: &[u8]| {
    if let Ok(body) = verify(input, false) {
        let _ = decode(&body);
    }
    for dialect in [Dialect::Redis, Dialect::Valkey] {
        let sealed = seal(input.to_vec(), dialect);
        let body = verify(&sealed, true).expect("sealed right");
        if let Ok(Restored::String(value)) = decode(&body) {
            let again = encode_string(&mut Encoder::default(), &value);
            let body = verify(&again, true).expect("sealed right");
            assert_eq!(decode(&body), Ok(Restored::String(value)));
        }
    }
});
