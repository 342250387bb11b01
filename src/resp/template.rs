//! The texts of error replies that quote what a client sent.

/// Puts `quoted`, one after the other, where the template says `{}`. Any bytes are quoted as
/// they are, but as Redis does it, to which they are C strings: up to their first NUL; and
/// the whole neither begins nor ends with a line end.
pub fn fill(template: &str, quoted: &[&[u8]]) -> Vec<u8> {
    debug_assert_eq!(template.matches("{}").count(), quoted.len(), "{template}");
    let mut parts = template.split("{}");
    let mut text = parts.next().unwrap_or_default().as_bytes().to_vec();
    for (part, quoted) in parts.zip(quoted) {
        text.extend(quoted.iter().take_while(|&&byte| byte != 0));
        text.extend_from_slice(part.as_bytes());
    }
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let len = text.iter().rposition(|byte| !is_end(byte));
    text.truncate(len.map_or(0, |last| last + 1));
    let begin = text.iter().take_while(|byte| is_end(byte)).count();
    text.drain(..begin);
    text
}

/// Of long words only so many bytes are quoted, where anything may have been sent.
pub const QUOTED_MAX: usize = 128;

/// The first bytes of a word, at most `len_max`.
pub fn first_of(word: &[u8], len_max: usize) -> &[u8] {
    &word[..word.len().min(len_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_any_bytes_up_to_a_nul() {
        let check = |template, quoted: &[&[u8]], expect: &[u8]| {
            assert_eq!(fill(template, quoted), expect);
        };
        check("ERR none", &[], b"ERR none");
        check("ERR '{}', {}.", &[b"a\xff", b"\xc3"], b"ERR 'a\xff', \xc3.");
        check("ERR '{}'{}", &[b"a\0b", b"\0"], b"ERR 'a'");
        check("ERR {}!", &[b"{}"], b"ERR {}!");
        check("ERR {}", &[b"\ra\nb\r\n"], b"ERR \ra\nb");
    }
}
