//! The template of the process's title: text with names in braces.

/// What a template can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TitlePart {
    /// The program as it was called.
    Title,
    ListenAddress,
    ServerMode,
    Port,
    TlsPort,
    UnixSocket,
    ConfigFile,
}

impl TitlePart {
    fn named(name: &[u8]) -> Option<TitlePart> {
        Some(match name {
            b"title" => TitlePart::Title,
            b"listen-addr" => TitlePart::ListenAddress,
            b"server-mode" => TitlePart::ServerMode,
            b"port" => TitlePart::Port,
            b"tls-port" => TitlePart::TlsPort,
            b"unixsocket" => TitlePart::UnixSocket,
            b"config-file" => TitlePart::ConfigFile,
            _ => return None,
        })
    }
}

/// Puts `value_of` each name in its place, without blanks around the whole; `{{` stands for
/// a brace. `None` if a name is unknown, or a brace is never closed.
pub fn expand(template: &[u8], value_of: impl Fn(TitlePart) -> Vec<u8>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.iter().position(|&byte| byte == b'{') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix(b"{") {
            out.push(b'{');
            rest = behind;
            continue;
        }
        let end = rest.iter().position(|&byte| byte == b'}')?;
        out.extend(value_of(TitlePart::named(&rest[..end])?));
        rest = &rest[end + 1..];
    }
    out.extend_from_slice(rest);
    Some(out.trim_ascii().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced() {
        let check = |template: &str, expect: Option<&str>| {
            let got = expand(template.as_bytes(), |part| {
                if part == TitlePart::ServerMode {
                    return Vec::new();
                }
                format!("<{part:?}>").into_bytes()
            });
            let got = got.map(|title| String::from_utf8(title).unwrap());
            assert_eq!(got.as_deref(), expect, "{template}");
        };
        check(
            "{title} {listen-addr} {server-mode}",
            Some("<Title> <ListenAddress>"),
        );
        check(
            "a{port}{tls-port}b{unixsocket} {config-file}",
            Some("a<Port><TlsPort>b<UnixSocket> <ConfigFile>"),
        );
        check("a {{title} b}", Some("a {title} b}"));
        check("", Some(""));
        for wrong in ["{", "a {title", "{nothing}", "{}", "{TITLE}"] {
            check(wrong, None);
        }
    }
}
