//! RDB files from strangers: the pieces in which they come change nothing, every error
//! stands inside of the file. The first byte says how long the pieces are.

use lockstep::rdb::decode::{DecodeError, Decoder, Options, Step};

pub fn check(input: &[u8]) {
    let Some((&piece_bytes, file)) = input.split_first() else {
        return;
    };
    for skip_modules in [false, true] {
        let options = Options {
            verify_checksum: piece_bytes & 1 == 0,
            skip_modules,
            string_bytes_max: 1 << 20,
        };
        let at_once = read(file, file.len().max(1), options.clone());
        let in_pieces = read(file, usize::from(piece_bytes) + 1, options);
        assert_eq!(at_once, in_pieces);
        if let Err(error) = at_once {
            assert!(error.offset <= file.len() as u64, "{error}");
        }
    }
}

/// Every step but its bytes, with a sum of them.
fn read(
    file: &[u8],
    piece_bytes: usize,
    options: Options,
) -> Result<Vec<(String, u64)>, DecodeError> {
    let mut decoder = Decoder::new(options);
    let mut steps = Vec::new();
    let (mut start, mut end) = (0, 0);
    while end < file.len() {
        end = file.len().min(end + piece_bytes);
        loop {
            let input = &file[start..end];
            match decoder.next(input)? {
                Step::Need { input_bytes } => {
                    assert!(input_bytes > input.len() as u64, "it needs what it has");
                    assert_eq!(decoder.consumed_bytes(), 0);
                    break;
                }
                step => {
                    let over = matches!(step, Step::End { .. });
                    steps.push((format!("{step:?}"), decoder.consumed_bytes() as u64));
                    start += decoder.consumed_bytes();
                    if over {
                        return Ok(steps);
                    }
                }
            }
        }
    }
    Err(decoder.truncated(&file[start..]))
}
