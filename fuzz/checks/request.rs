//! Requests from strangers: where a read ends changes nothing, and nothing costs more
//! memory than what arrived. The first byte says how long the reads are.

use lockstep::resp::request::{Argv, Limits, Parsed, Parser, ProtocolError};

pub fn check(input: &[u8]) {
    let Some((&read_bytes, input)) = input.split_first() else {
        return;
    };
    for authenticated in [true, false] {
        let limits = Limits {
            bulk_len_bytes_max: 4096,
            authenticated,
            inline_bytes_max: 64,
        };
        let at_once = feed(input, std::iter::empty(), &limits);
        let reads = (0..input.len()).step_by(usize::from(read_bytes) + 1);
        let in_reads = feed(input, reads, &limits);
        assert_eq!(at_once, in_reads);
    }
}

/// Every command as its words, and how it ended: an error, or the bytes left over.
pub type Commands = (Vec<Vec<Vec<u8>>>, Result<usize, ProtocolError>);

/// Feeds `input` in reads that end at `cuts`, as a connection would.
pub fn feed(input: &[u8], cuts: impl Iterator<Item = usize>, limits: &Limits) -> Commands {
    let (mut parser, mut ranges, mut commands) = (Parser::new(), Vec::new(), Vec::new());
    let mut at = 0;
    for cut in cuts.chain([input.len()]) {
        while at < cut {
            ranges.clear();
            let frame = &input[at..cut];
            match parser.parse(frame, limits, &mut ranges) {
                Ok(Parsed::Complete {
                    consumed_bytes,
                    inline,
                }) => {
                    let argv = Argv {
                        bytes: &frame[..consumed_bytes],
                        ranges: &ranges,
                    };
                    let argv = inline.as_ref().map_or(argv, |command| command.argv());
                    commands.push(argv.iter().map(<[u8]>::to_vec).collect());
                    at += consumed_bytes;
                }
                Ok(Parsed::Empty { consumed_bytes }) => at += consumed_bytes,
                Ok(Parsed::Incomplete { want_bytes }) => {
                    assert!(want_bytes > 0);
                    // A range for every six bytes, and a vector grows at most twofold.
                    assert!(parser.memory_bytes() <= 64 + frame.len() * 6);
                    break;
                }
                Err(error) => return (commands, Err(error)),
            }
        }
    }
    (commands, Ok(input.len() - at))
}
