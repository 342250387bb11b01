//! Rust's text as words: just enough of it to find names, braces and macros.

/// A word, `::` or a single mark.
#[derive(Clone, Copy)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// Words, `::` and single marks of a text whose comments and literals are blanked out.
pub fn tokens(masked: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (index, text) in masked.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !is_word_char(c)).unwrap_or(rest.len());
            let len = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            found.push(Token {
                text: &rest[..len],
                line: index + 1,
            });
            rest = rest[len..].trim_start();
        }
    }
    found
}

/// How a token changes the depth of nesting.
pub fn nesting(token: &str) -> i32 {
    match token {
        "{" | "(" | "[" => 1,
        "}" | ")" | "]" => -1,
        _ => 0,
    }
}

pub fn is_word(text: &str) -> bool {
    text.chars().next().is_some_and(is_word_char)
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The text with every comment and every string or character literal turned into spaces;
/// lines stay where they are.
pub fn mask(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = hidden_end(text.as_bytes(), at);
        for byte in bytes[at..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        at = end.max(at + 1);
    }
    String::from_utf8(bytes).expect("literals and comments are hidden whole")
}

/// Where the comment or literal ends that begins at `at`; `at` itself if none does.
fn hidden_end(text: &[u8], at: usize) -> usize {
    let rest = &text[at..];
    if rest.starts_with(b"//") {
        at + rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len())
    } else if rest.starts_with(b"/*") {
        let mut depth = 0;
        let mut end = at;
        while end < text.len() {
            let step = match &text[end..] {
                [b'/', b'*', ..] => 1,
                [b'*', b'/', ..] => -1,
                _ => 0,
            };
            depth += step;
            end += if step == 0 { 1 } else { 2 };
            if depth == 0 {
                break;
            }
        }
        end.min(text.len())
    } else if rest[0] == b'"' {
        string_end(text, at)
    } else if rest[0] == b'\'' {
        char_end(text, at)
    } else {
        at
    }
}

fn string_end(text: &[u8], at: usize) -> usize {
    let hashes = text[..at]
        .iter()
        .rev()
        .take_while(|byte| **byte == b'#')
        .count();
    let mut before = text[..at - hashes].iter().rev();
    let is_raw = before.next() == Some(&b'r')
        && before
            .find(|byte| !matches!(byte, b'b' | b'c'))
            .is_none_or(|byte| {
                let is_word_byte = byte.is_ascii_alphanumeric() || *byte == b'_';
                !is_word_byte
            });
    let mut end = at + 1;
    while end < text.len() {
        match text[end] {
            b'\\' if !is_raw => end += 1,
            b'"' if !is_raw => return end + 1,
            b'"' => {
                let closing = text[end + 1..]
                    .iter()
                    .take_while(|byte| **byte == b'#')
                    .count();
                if closing >= hashes {
                    return end + 1 + hashes;
                }
            }
            _ => {}
        }
        end += 1;
    }
    text.len()
}

/// A quote begins a character literal, or a lifetime, which is left alone.
fn char_end(text: &[u8], at: usize) -> usize {
    let rest = &text[at + 1..];
    if rest.first() == Some(&b'\\') {
        let close = rest.iter().skip(2).position(|byte| *byte == b'\'');
        return close.map_or(text.len(), |close| at + close + 4);
    }
    let len = rest
        .iter()
        .skip(1)
        .take_while(|byte| (**byte & 0xc0) == 0x80)
        .count()
        + 1;
    if rest.get(len) == Some(&b'\'') {
        at + len + 2
    } else {
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_comments_and_literals() {
        for (text, expect) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"a("b\"c") d"#, "a(      ) d"),
            (r##"a(r#"b"c"#) d"##, "a(r#      ) d"),
            (r#"(br"\", "c")"#, "(br   ,    )"),
            (
                r"f::<'a>('b', '\'', '\u{1f}', b'é')",
                "f::<'a>(   ,     ,         , b    )",
            ),
            ("'\"' \"'\"", "        "),
        ] {
            let masked = mask(text);
            assert_eq!(
                masked.split_whitespace().collect::<Vec<_>>(),
                expect.split_whitespace().collect::<Vec<_>>(),
                "{text}"
            );
            assert_eq!(masked.len(), text.len());
        }
    }

    #[test]
    fn takes_words_apart() {
        let texts: Vec<&str> = tokens("use a::{b_1};\n x")
            .iter()
            .map(|token| token.text)
            .collect();
        assert_eq!(texts, ["use", "a", "::", "{", "b_1", "}", ";", "x"]);
        assert_eq!(tokens("a\n\nb")[1].line, 3);
    }
}
