//! LCS: the longest common subsequence of two values.
//!
//! ```text
//!          b →  j
//!     a    0 0 0 0      row i, column j: the length for the first i bytes of a and the
//!     ↓    0 1 1 1      first j of b. Filled from the top left, read back from the
//!     i    0 1 2 2      bottom right: a match goes up and left, else the larger
//!          0 1 2 3      neighbour, the left one if they are equal.
//! ```
//!
//! The matches are reported in the order in which they are found: last ones first.

use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::config::Param;
use crate::resp::reply::ReplyBuf;
use crate::store::keyspace::Key;

pub fn lcs(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (a, b) = (value(cx, args.key()), value(cx, args.key()));
    let (a, b) = (a?, b?);
    let options = Options::parse(args)?;
    let table_bytes = (a.len() as u128 + 1) * (b.len() as u128 + 1) * size_of::<u32>() as u128;
    if table_bytes > u128::from(cx.shared.config.get_bytes(Param::ProtoMaxBulkLen)) {
        return Err(CmdError::text(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let lengths = Lengths::new(&a, &b);
    if options.only_len {
        cx.reply.integer(lengths.total().into());
    } else if options.indexes {
        reply_matches(cx.reply, &lengths, &options);
    } else {
        let mut common: Vec<u8> = lengths.pairs().map(|(i, _)| a[i]).collect();
        common.reverse();
        cx.reply.bulk(&common);
    }
    Ok(Outcome::Done)
}

/// A copy of a value, empty if there is none.
fn value(cx: &mut Cx, key: Key) -> Result<Vec<u8>, CmdError> {
    match cx.store.read(cx.session.db, key) {
        Some(entry) => entry
            .string_bytes()
            .map(<[u8]>::to_vec)
            .ok_or(CmdError::text(
                "ERR The specified keys must contain string values",
            )),
        None => Ok(Vec::new()),
    }
}

#[derive(Default)]
struct Options {
    only_len: bool,
    indexes: bool,
    with_match_len: bool,
    match_len_min: i64,
}

impl Options {
    fn parse(mut args: Args) -> Result<Options, CmdError> {
        let mut options = Options::default();
        while !args.is_empty() {
            if args.take("idx") {
                options.indexes = true;
            } else if args.take("len") {
                options.only_len = true;
            } else if args.take("withmatchlen") {
                options.with_match_len = true;
            } else if args.take("minmatchlen") {
                options.match_len_min = args.i64();
                args.check()?;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        if options.only_len && options.indexes {
            return Err(CmdError::text(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(options)
    }
}

/// Bytes of both values that are equal, first and last index of each.
struct Match {
    a: (usize, usize),
    b: (usize, usize),
}

fn reply_matches(reply: &mut ReplyBuf, lengths: &Lengths, options: &Options) {
    reply.map(2);
    reply.bulk(b"matches");
    let array = reply.array_deferred();
    let mut count = 0;
    for found in lengths.matches() {
        let len = (found.a.1 - found.a.0 + 1) as i64;
        if len < options.match_len_min {
            continue;
        }
        reply.array(if options.with_match_len { 3 } else { 2 });
        for (first, last) in [found.a, found.b] {
            reply.array(2);
            reply.integer(first as i64);
            reply.integer(last as i64);
        }
        if options.with_match_len {
            reply.integer(len);
        }
        count += 1;
    }
    reply.finish_array(array, count);
    reply.bulk(b"len");
    reply.integer(lengths.total().into());
}

/// The table of lengths.
struct Lengths<'v> {
    a: &'v [u8],
    b: &'v [u8],
    /// Row by row; the first row and the first column are zero.
    cells: Vec<u32>,
}

impl<'v> Lengths<'v> {
    fn new(a: &'v [u8], b: &'v [u8]) -> Lengths<'v> {
        let columns = b.len() + 1;
        let mut cells = vec![0; (a.len() + 1) * columns];
        for (i, byte) in a.iter().enumerate() {
            let (above, row) = cells[i * columns..][..2 * columns].split_at_mut(columns);
            for (j, other) in b.iter().enumerate() {
                row[j + 1] = match byte == other {
                    true => above[j] + 1,
                    false => above[j + 1].max(row[j]),
                };
            }
        }
        Lengths { a, b, cells }
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * (self.b.len() + 1) + j]
    }

    fn total(&self) -> u32 {
        self.at(self.a.len(), self.b.len())
    }

    /// The indexes of equal bytes, from the last to the first.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        std::iter::from_fn(move || {
            while i > 0 && j > 0 {
                if self.a[i - 1] == self.b[j - 1] {
                    (i, j) = (i - 1, j - 1);
                    return Some((i, j));
                }
                if self.at(i - 1, j) > self.at(i, j - 1) {
                    i -= 1;
                } else {
                    j -= 1;
                }
            }
            None
        })
    }

    /// The pairs, those that follow each other in both values as one match.
    fn matches(&self) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        for (i, j) in self.pairs() {
            match matches.last_mut() {
                Some(last) if last.a.0 == i + 1 && last.b.0 == j + 1 => {
                    (last.a.0, last.b.0) = (i, j);
                }
                _ => matches.push(Match {
                    a: (i, i),
                    b: (j, j),
                }),
            }
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use super::Lengths;
    use crate::commands::testing::TestServer;

    #[test]
    fn replies() {
        let mut server = TestServer::new();
        server.run("MSET a ohmytext b mynewtext");
        server.check("LCS a b", "\"mytext\"");
        server.check("LCS a b WITHMATCHLEN", "\"mytext\"");
        server.check("LCS a b LEN", ":6");
        server.check(
            "LCS a b IDX",
            "[\"matches\", [[[:4, :7], [:5, :8]], [[:2, :3], [:0, :1]]], \"len\", :6]",
        );
        server.check(
            "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
            "[\"matches\", [[[:4, :7], [:5, :8], :4]], \"len\", :6]",
        );
        server.check("LCS a x LEN", ":0");
        server.check("LCS a x", "\"\"");
        server.check("LCS x a IDX", "[\"matches\", [], \"len\", :0]");
        let mut server = TestServer::resp3();
        server.run("MSET a ohmytext b mynewtext");
        server.check(
            "LCS a b IDX MINMATCHLEN 3",
            "{\"matches\": [[[:4, :7], [:5, :8]]], \"len\": :6}",
        );
    }

    #[test]
    fn errors() {
        let mut server = TestServer::new();
        let both = "-ERR If you want both the length and indexes, please just use IDX.";
        server.check("LCS a b LEN IDX", both);
        server.check("LCS a b MINMATCHLEN", "-ERR syntax error");
        server.check("LCS a b NO", "-ERR syntax error");
        server.check(
            "LCS a b MINMATCHLEN x",
            "-ERR value is not an integer or out of range",
        );
        server.run("SETRANGE a 20000 x");
        server.run("SETRANGE b 20000 x");
        server.check(
            "LCS a b LEN",
            "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        );
    }

    #[test]
    fn which_of_several_subsequences() {
        fn check(a: &str, b: &str, expect: &str, matches: &[[usize; 4]]) {
            let lengths = Lengths::new(a.as_bytes(), b.as_bytes());
            let mut found: Vec<u8> = lengths.pairs().map(|(i, _)| a.as_bytes()[i]).collect();
            found.reverse();
            assert_eq!(found, expect.as_bytes());
            let places = lengths.matches();
            let places = places.iter().map(|m| [m.a.0, m.a.1, m.b.0, m.b.1]);
            assert_eq!(places.collect::<Vec<_>>(), matches, "{a} {b}");
        }
        check("abab", "baba", "bab", &[[1, 3, 0, 2]]);
        check("abcbdab", "bdcaba", "bdab", &[[5, 6, 3, 4], [3, 4, 0, 1]]);
        check("", "a", "", &[]);
        check("same", "same", "same", &[[0, 3, 0, 3]]);
    }
}
