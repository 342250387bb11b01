//! What error replies quote of what a client sent, byte by byte.

use super::support::*;

/// Sends commands and compares the lines that they are answered with.
fn check_lines(server: &Server, expectations: &[(&str, &[u8])]) {
    for &(command, expect) in expectations {
        let mut client = server.client();
        client.send_cmd(&split_words(command));
        client.send_cmd(&["QUIT"]);
        let answered = client.recv_to_end();
        let expect = [expect, b"\r\n+OK\r\n"].concat();
        let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
        assert_eq!(shown(&answered), shown(&expect), "{command}");
    }
}

#[test]
fn bytes_are_quoted_as_they_came() {
    let server = Server::start(&[]);
    check_lines(
        &server,
        &[
            (
                r#""a\xff" "\xc3" "it's""#,
                b"-ERR unknown command 'a\xff', with args beginning with: '\xc3' 'it's' ",
            ),
            (
                r#"CLIENT "\xff""#,
                b"-ERR unknown subcommand '\xff'. Try CLIENT HELP.",
            ),
            (r#"EXPIRE k 1 "\xff""#, b"-ERR Unsupported option \xff"),
            (
                r#"HELLO 3 "a\xff""#,
                b"-ERR Syntax error in HELLO option 'a\xff'",
            ),
            (
                r#"XPENDING "\xfe" "\xff""#,
                b"-NOGROUP No such key '\xfe' or consumer group '\xff'",
            ),
            (
                r#"CONFIG SET "\xff" 1"#,
                b"-ERR Unknown option or number of arguments for CONFIG SET - '\xff'",
            ),
            (
                r#"REPLCONF "\xff" 1"#,
                b"-ERR Unrecognized REPLCONF option: \xff",
            ),
        ],
    );
}

/// Clients that try a cluster's commands look for these words.
#[test]
fn there_is_no_cluster() {
    let server = Server::start(&[]);
    let disabled = b"-ERR This instance has cluster support disabled";
    let arity = b"-ERR wrong number of arguments for 'cluster' command";
    check_lines(
        &server,
        &[
            ("CLUSTER INFO", disabled),
            ("CLUSTER KEYSLOT a", disabled),
            ("ASKING", disabled),
            ("CLUSTER", arity),
        ],
    );
}

#[test]
fn a_nul_is_part_of_a_command_s_name() {
    let server = Server::start(&[]);
    let unknown = b"-ERR unknown command 'GET', with args beginning with: 'a' ";
    check_lines(
        &server,
        &[
            (r#""GET\x00" a"#, unknown),
            (
                r#""\x00""#,
                b"-ERR unknown command '', with args beginning with: ",
            ),
        ],
    );
}

/// To Redis words are C strings in an error, and it takes line ends off its own.
#[test]
fn a_nul_ends_what_is_quoted_and_line_ends_become_blanks() {
    let server = Server::start(&[]);
    check_lines(
        &server,
        &[
            (
                r#""a\x00b" "c\x00d" "\x00""#,
                b"-ERR unknown command 'a', with args beginning with: 'c' '' ",
            ),
            (
                r#"CLIENT "a\x00b""#,
                b"-ERR unknown subcommand 'a'. Try CLIENT HELP.",
            ),
            (
                r#"XPENDING "a\x00b" "c\x00d""#,
                b"-NOGROUP No such key 'a' or consumer group 'c'",
            ),
            (
                r#""a\r\nb" "\n""#,
                b"-ERR unknown command 'a  b', with args beginning with: ' ' ",
            ),
            (
                r#"EXPIRE k 1 "a\r\nb\r\n""#,
                b"-ERR Unsupported option a  b",
            ),
        ],
    );
}

#[test]
fn long_words_are_cut_where_they_may_be_anything() {
    let server = Server::start(&[]);
    // The last byte of what is quoted is the first half of a letter.
    let (long, cut) = ("y".repeat(127) + "é", [&[b'y'; 127][..], b"\xc3"].concat());
    let cut_in = |before: &[u8], behind: &[u8]| [before, &cut, behind].concat();
    check_lines(
        &server,
        &[
            (
                &long,
                &cut_in(b"-ERR unknown command '", b"', with args beginning with: "),
            ),
            (
                &format!("none {long} {long}"),
                &cut_in(
                    b"-ERR unknown command 'none', with args beginning with: '",
                    b"' ",
                ),
            ),
            (
                &format!("MEMORY {long}"),
                &cut_in(b"-ERR unknown subcommand '", b"'. Try MEMORY HELP."),
            ),
            (
                &format!("EXPIRE k 1 {long}"),
                &[b"-ERR Unsupported option ", long.as_bytes()].concat(),
            ),
        ],
    );
}
