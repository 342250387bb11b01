//! Writing words of configuration lines; `resp::inline` reads them.

/// Appends `text` in double quotes so that `split_args` gives it back byte for byte.
pub fn append_quoted(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'\\', b'x', HEX[high], HEX[low]]);
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::inline::split_args;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut line = Vec::new();
            append_quoted(&mut line, &text);
            prop_assert_eq!(split_args(&line), Some(vec![text]));
        }
    }
}
