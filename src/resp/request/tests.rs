use super::*;
use ProtocolError::*;

type Outcome = Result<Option<Vec<Vec<u8>>>, ProtocolError>;

/// Parses to the end; `Ok(None)` if the rest is incomplete, else all commands' words.
fn run(input: &[u8], limits: &Limits) -> Outcome {
    let (mut parser, mut ranges, mut at, mut words) = (Parser::new(), Vec::new(), 0, Vec::new());
    while at < input.len() {
        ranges.clear();
        match parser.parse(&input[at..], limits, &mut ranges)? {
            Parsed::Complete {
                consumed_bytes,
                inline,
            } => {
                let bytes = &input[at..at + consumed_bytes];
                let argv = Argv {
                    bytes,
                    ranges: &ranges,
                };
                let argv = inline.as_ref().map_or(argv, |command| command.argv());
                words.extend(argv.iter().map(<[u8]>::to_vec));
                assert!(argv.raw().is_some());
                at += consumed_bytes;
            }
            Parsed::Empty { consumed_bytes } => at += consumed_bytes,
            Parsed::Incomplete { .. } => return Ok(None),
        }
    }
    Ok(Some(words))
}

fn check(input: &[u8], expect: &[&str]) {
    let expect = expect.iter().map(|word| word.as_bytes().to_vec()).collect();
    let shown = String::from_utf8_lossy(input);
    assert_eq!(
        run(input, &Limits::default()),
        Ok(Some(expect)),
        "{shown:?}"
    );
}

fn check_error(input: &[u8], expect: ProtocolError) {
    let shown = String::from_utf8_lossy(&input[..input.len().min(40)]);
    assert_eq!(run(input, &Limits::default()), Err(expect), "{shown:?}");
}

#[test]
fn frames_and_lines() {
    check(b"*1\r\n$4\r\nPING\r\n", &["PING"]);
    check(
        b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$1\r\nx\r\n",
        &["GET", "", "x"],
    );
    check(
        b"*-5\r\n*0\r\nPING\r\n\r\n  \nECHO 'a b'\n",
        &["PING", "ECHO", "a b"],
    );
    check(b"*1\r\n$12\r\nabcdefghijkl\r\n", &["abcdefghijkl"]);
    check(b"*1\rX$4\rXPINGxx*1\r\n$1\r\ny\r\n", &["PING", "y"]);
    check(b"PING a\rb\r\n", &["PING", "a", "b"]);
}

#[test]
fn errors_are_those_of_redis() {
    for text in ["*+1\r\n", "*01\r\n", "*\r\n", "*x\r\n", "*2147483648\r\n"] {
        check_error(text.as_bytes(), InvalidMultibulkLength);
    }
    for text in [
        "$x",
        "$-1",
        "$",
        "$536870913",
        "$01",
        "$99999999999999999999",
    ] {
        check_error(format!("*1\r\n{text}\r\n").as_bytes(), InvalidBulkLength);
    }
    check_error(b"*1\r\nXab\r\n", ExpectedDollar(b'X'));
    check_error(b"*1\r\n\r\n", ExpectedDollar(b'\r'));
    check_error(b"PING \"a\r\n", UnbalancedQuotes);
    let long = vec![b'1'; INLINE_BYTES_MAX + 1];
    check_error(&long, TooBigInline);
    check_error(&[b"*", &long[..]].concat(), TooBigMultibulkCount);
    check_error(&[b"*1\r\n$", &long[..]].concat(), TooBigBulkCount);
    let shown = ExpectedDollar(b'X').to_string();
    assert_eq!(shown, "Protocol error: expected '$', got 'X'");
}

#[test]
fn strangers_get_little() {
    let limits = Limits {
        authenticated: false,
        ..Limits::default()
    };
    assert_eq!(run(b"*10\r\n", &limits), Ok(None));
    assert_eq!(
        run(b"*11\r\n", &limits),
        Err(UnauthenticatedMultibulkLength)
    );
    assert_eq!(run(b"*1\r\n$16384\r\n", &limits), Ok(None));
    assert_eq!(
        run(b"*1\r\n$16385\r\n", &limits),
        Err(UnauthenticatedBulkLength)
    );
}

#[test]
fn unfinished_frames_say_what_they_want() {
    fn check(input: &str, expect: usize) {
        let mut ranges = Vec::new();
        let got = Parser::new().parse(input.as_bytes(), &Limits::default(), &mut ranges);
        assert_eq!(
            got,
            Ok(Parsed::Incomplete { want_bytes: expect }),
            "{input:?}"
        );
        assert!(ranges.is_empty());
    }
    check("", 1);
    check("*1", 1);
    check("*2147483647\r\n", 1);
    check("*1\r\nX", 1);
    check("*1\r\n$100\r\nabc", 99);
    check("*2\r\n$1\r\na\r\n$536870912\r\n", 536870914);
    check("PING", 1);
}

#[test]
fn commands_of_one_read_share_a_vector() {
    let input = b"*1\r\n$1\r\na\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n*3\r\n$1\r\nd\r\n$1";
    let (mut parser, mut ranges) = (Parser::new(), Vec::new());
    let limits = Limits::default();
    for (at, expect) in [(0, 1), (11, 3), (29, 3)] {
        let _ = parser.parse(&input[at..], &limits, &mut ranges).unwrap();
        assert_eq!(ranges.len(), expect);
    }
    assert!(parser.memory_bytes() > 0);
}

#[test]
fn what_is_announced_is_known() {
    let mut parser = Parser::new();
    let mut announced = |input: &[u8]| {
        let parsed = parser.parse(input, &Limits::default(), &mut Vec::new());
        assert!(parsed.is_ok(), "{parsed:?}");
        parser.announced_bytes()
    };
    assert_eq!(announced(b"*2"), (0, 0));
    assert_eq!(announced(b"*2\r\n$3\r\nG"), (8, 13));
    assert_eq!(announced(b"*2\r\n$3\r\nGET\r\n$100000\r\n"), (22, 100_024));
    let whole = [
        &b"*2\r\n$3\r\nGET\r\n$100000\r\n"[..],
        &[b'x'; 100_000],
        b"\r\n",
    ]
    .concat();
    assert_eq!(announced(&whole), (0, 0));
}

#[test]
fn frames_that_begin_alike_are_parsed_alike() {
    const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
    let limits = Limits::default();
    let opening_of = |frame: &[u8]| {
        let mut ranges = Vec::new();
        Parser::new().parse(frame, &limits, &mut ranges).unwrap();
        let ranges = &ranges;
        Opening::of(Argv {
            bytes: frame,
            ranges,
        })
    };
    let check = |input: &[u8], is_alike: bool| {
        let shown = String::from_utf8_lossy(input);
        let (mut parser, first) = (Parser::new(), ArgRange { start: 7, end: 9 });
        let mut ranges = vec![first];
        let opening = opening_of(GET).unwrap();
        let alike = parser.parse_alike(&opening, input, &limits, &mut ranges);
        assert_eq!(alike.is_some(), is_alike, "{shown:?}");
        let mut expect = vec![first];
        if let Some(consumed_bytes) = alike {
            let parsed = Parser::new().parse(input, &limits, &mut expect);
            let inline = None;
            let complete = Parsed::Complete {
                consumed_bytes,
                inline,
            };
            assert_eq!(parsed, Ok(complete), "{shown:?}");
        }
        assert_eq!(ranges, expect, "{shown:?}");
        assert_eq!(parser.announced_bytes(), (0, 0));
    };
    check(GET, true);
    check(b"*2\r\n$3\r\nGET\r\n$12\r\nanother key!\r\n*2\r\n", true);
    check(b"*2\r\n$3\r\nSET\r\n$3\r\nkey\r\n", false);
    check(b"*3\r\n$3\r\nGET\r\n$3\r\nkey\r\n$1\r\nx\r\n", false);
    check(b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r", false);
    check(b"*2\r\n$3\r\nGET\r\n$3\r\nkeyXX", false);
    check(b"*2\r\n$3\r\nGET\r\n", false);
    check(b"", false);
    // Both would take more room than is compared, or more arguments than are always allowed.
    assert!(opening_of(b"*2\r\n$7\r\nHGETALL\r\n$3\r\nkey\r\n").is_none());
    let many = OwnedCommand::from_args(&["DEL"; SHORT_LEN_MAX + 1]);
    assert!(opening_of(many.argv().bytes).is_none());
}
