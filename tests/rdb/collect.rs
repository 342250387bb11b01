//! Reads a whole file into a list that can be compared.

use lockstep::rdb::decode::{DecodeError, Decoder, Entry, Options, Step, Value};

/// Every step of `file`, printed, when it is fed in pieces that end at `cuts` and at its end.
pub fn steps_in_pieces(
    file: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    options: Options,
) -> Result<Vec<String>, DecodeError> {
    let mut decoder = Decoder::new(options);
    let mut steps = Vec::new();
    let mut start = 0;
    for end in cuts.into_iter().chain([file.len()]) {
        loop {
            let input = &file[start..end];
            match decoder.next(input)? {
                Step::Need { input_bytes } => {
                    assert!(input_bytes > input.len() as u64, "it needs what it has");
                    assert_eq!(decoder.consumed_bytes(), 0);
                    if end == file.len() {
                        return Err(decoder.truncated(input));
                    }
                    break;
                }
                step => {
                    let over = matches!(step, Step::End { .. });
                    steps.push(format!("{step:?}"));
                    start += decoder.consumed_bytes();
                    assert_eq!(decoder.offset(), start as u64);
                    if over {
                        return Ok(steps);
                    }
                }
            }
        }
    }
    Err(decoder.truncated(&file[start..]))
}

/// Every step of `file`, printed, when it comes at once.
pub fn steps(file: &[u8], options: Options) -> Result<Vec<String>, DecodeError> {
    steps_in_pieces(file, [], options)
}

/// Calls `visit` with every key of a file that must be whole.
pub fn for_each_entry(file: &[u8], mut visit: impl FnMut(&Entry<'_>)) {
    let mut decoder = Decoder::new(Options::default());
    let mut start = 0;
    loop {
        match decoder.next(&file[start..]).expect("the file is whole") {
            Step::End { .. } => return,
            Step::Need { input_bytes } => panic!("{input_bytes} bytes needed"),
            Step::Entry(entry) => visit(&entry),
            _ => {}
        }
        start += decoder.consumed_bytes();
    }
}

/// An entry's value if it is a string.
pub fn string<'e>(entry: &Entry<'e>) -> Option<&'e [u8]> {
    match entry.value {
        Value::String(bytes) => Some(bytes),
        Value::Framed { .. } => None,
    }
}
