//! Redis's glob patterns: `*`, `?`, `[a-z]`, `[^x]`, and `\` before a literal.
//!
//! Every token but `*` eats exactly one byte, so it is enough to remember the latest `*`
//! and to let it eat one byte more whenever the rest fails: the time is at most pattern
//! times text, never exponential.

/// Whether the whole `text` matches the whole `pattern`. With `nocase`, ASCII letters of
/// both cases are equal. An unclosed `[` closes at the pattern's end. As in Redis an empty text
/// matches nothing but an empty pattern, not even a star.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            if p == pattern.len() {
                return true;
            }
            star = Some((p, t));
            continue;
        }
        let next = match pattern.get(p..) {
            Some(rest) if !rest.is_empty() => match_one(rest, text[t], nocase),
            _ => None,
        };
        match (next, star) {
            (Some(token_len), _) => {
                p += token_len;
                t += 1;
            }
            (None, Some((after_star, eaten))) => {
                p = after_star;
                t = eaten + 1;
                star = Some((after_star, t));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// Whether `pattern` is only literals, so that it can match one text only.
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern
        .iter()
        .any(|c| matches!(c, b'*' | b'?' | b'[' | b'\\'))
}

/// The length of the pattern's first token if it takes the byte `c`.
fn match_one(pattern: &[u8], c: u8, nocase: bool) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => match_class(class, c, nocase).map(|len| len + 1),
        [b'\\', literal, ..] => same(*literal, c, nocase).then_some(2),
        [literal, ..] => same(*literal, c, nocase).then_some(1),
        [] => None,
    }
}

/// `class` begins after the bracket; gives its length, closing bracket included.
fn match_class(class: &[u8], c: u8, nocase: bool) -> Option<usize> {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match class.get(at..).unwrap_or_default() {
            [] => break,
            [b'\\', literal, ..] => {
                found |= *literal == c;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                found |= in_range(*first, *last, c, nocase);
                at += 3;
            }
            [literal, ..] => {
                found |= same(*literal, c, nocase);
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

fn in_range(first: u8, last: u8, c: u8, nocase: bool) -> bool {
    let fold = |byte: u8| {
        if nocase {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    };
    let (low, high) = (first.min(last), first.max(last));
    (fold(low)..=fold(high)).contains(&fold(c))
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || (nocase && a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expect: bool) {
        let got = matches(pattern.as_bytes(), text.as_bytes(), false);
        assert_eq!(got, expect, "{pattern:?} on {text:?}");
    }

    #[test]
    fn stars_and_questions() {
        check("", "", true);
        check("", "a", false);
        check("*", "", false);
        check("**", "", false);
        check("*", "anything", true);
        check("a*", "a", true);
        check("a*c", "abc", true);
        check("a*c", "abcd", false);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b*", "xxbxxaxx", false);
        check("***a", "ba", true);
        check("h?llo", "hello", true);
        check("h?llo", "hllo", false);
        check("?", "", false);
        check("*?", "", false);
        check("*?a", "aaa", true);
    }

    #[test]
    fn classes() {
        check("h[ae]llo", "hallo", true);
        check("h[ae]llo", "hillo", false);
        check("h[^e]llo", "hello", false);
        check("h[^e]llo", "hallo", true);
        check("[a-c]", "b", true);
        check("[c-a]", "b", true);
        check("[a-c]", "d", false);
        // The range runs on to the bracket, so this class is never closed.
        check("[a-]", "-", false);
        check("[a-]", "^", true);
        check("[\\]]", "]", true);
        check("[\\-x]", "-", true);
        check("[abc", "b", true);
        check("[abc", "[", false);
        check("[", "[", false);
        check("[]", "]", false);
        check("[^]", "x", true);
        check("[a-\\]", "]", true);
        check("*[0-9]z", "a1b2z", true);
    }

    #[test]
    fn escapes() {
        check("\\*", "*", true);
        check("\\*", "a", false);
        check("a\\?", "a?", true);
        check("\\\\", "\\", true);
        check("a\\", "a\\", true);
        check("\\a", "a", true);
    }

    #[test]
    fn case() {
        let nocase = |pattern: &str, text: &str| matches(pattern.as_bytes(), text.as_bytes(), true);
        assert!(nocase("SET*", "set-x"));
        assert!(nocase("[A-C]x", "bX"));
        assert!(nocase("[B]", "b"));
        assert!(!nocase("[A-C]", "d"));
        check("SET*", "set-x", false);
    }

    #[test]
    fn many_stars_stay_quick() {
        let pattern = "a*".repeat(2000) + "b";
        check(&pattern, &"a".repeat(5000), false);
    }

    #[test]
    fn literals() {
        assert!(is_literal(b"user:1]"));
        for pattern in ["a*", "?", "[a", "\\a"] {
            assert!(!is_literal(pattern.as_bytes()));
        }
    }
}
