//! Lists: element by element, as one ziplist, as a row of ziplists, and since file version
//! 10 as a row of listpacks and single values. Written is only the last.

use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::encode::{Encoder, put_len};
use crate::rdb::error::DecodeErrorKind;
use crate::rdb::format::type_byte as t;
use crate::rdb::legacy;
use crate::rdb::text::Text;
use crate::types::list::{Builder, Limits, List, Node};
use crate::types::listpack::ListPack;

/// What a node is made of.
const PLAIN: u64 = 1;
const PACKED: u64 = 2;

/// Every file that is written can hold it.
pub fn type_byte() -> u8 {
    t::LIST_QUICKLIST_2
}

pub fn put(list: &List, encoder: &mut Encoder, out: &mut Vec<u8>) {
    put_len(out, list.node_count() as u64);
    for node in list.nodes() {
        let container = match node {
            Node::Packed(_) => PACKED,
            Node::Plain(_) => PLAIN,
        };
        put_len(out, container);
        encoder.put_string(out, node.bytes());
    }
}

/// Reads a list that stands behind one of its type bytes.
pub fn take(type_byte: u8, cursor: &mut Cursor, limits: &Limits) -> Result<List, Stop> {
    let mut builder = List::builder();
    let mut text = Text::default();
    let nodes = match type_byte {
        t::LIST_ZIPLIST => 1,
        _ => cursor.length()?,
    };
    for _ in 0..nodes {
        let packed = match type_byte {
            t::LIST_QUICKLIST_2 => match cursor.length()? {
                PLAIN => false,
                PACKED => true,
                _ => return Err(bad(cursor, "a list's node of no known kind")),
            },
            t::LIST => false,
            _ => true,
        };
        let raw = cursor.string()?;
        text.load(raw)?;
        let bytes = text.of(raw);
        match type_byte {
            t::LIST => builder.push(bytes, limits),
            _ if bytes.is_empty() => return Err(bad(cursor, "a list's node without bytes")),
            t::LIST_QUICKLIST_2 if packed => match ListPack::from_bytes(bytes.to_vec()) {
                Ok(pack) => builder.packed(pack),
                Err(_) => return Err(bad(cursor, "a list's listpack")),
            },
            t::LIST_QUICKLIST_2 => builder.plain(bytes),
            _ => {
                take_ziplist(bytes, &mut builder).ok_or_else(|| bad(cursor, "a list's ziplist"))?
            }
        }
    }
    Ok(builder.finish(limits))
}

/// Makes a node of a ziplist's values, if it is one.
fn take_ziplist(bytes: &[u8], builder: &mut Builder) -> Option<()> {
    let (items, _) = legacy::ziplist(bytes).ok()?;
    let mut pack = ListPack::with_capacity(bytes.len());
    for item in items {
        // What is hardly within the limits of a ziplist may be beyond those of a listpack.
        if !pack.has_room_for(item.len_bytes()) {
            builder.packed(std::mem::take(&mut pack));
        }
        pack.push_item(item);
    }
    builder.packed(pack);
    Some(())
}

fn bad(cursor: &Cursor, what: &'static str) -> Stop {
    Stop::Bad(cursor.position(), DecodeErrorKind::BadValue(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Encoding;
    use crate::types::list::End;

    /// `abc`, 7 and -1 as a ziplist.
    const ZIPLIST: &[u8] = b"\x15\0\0\0\x11\0\0\0\x03\0\x00\x03abc\x05\xf8\x02\xfe\xff\xff";
    /// The same as a listpack.
    const LISTPACK: &[u8] = b"\x11\0\0\0\x03\0\x83abc\x04\x07\x01\xdf\xff\x02\xff";

    /// A string as it stands in a file.
    fn string(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new(false).put_string(&mut out, bytes);
        out
    }

    fn read(type_byte: u8, pieces: &[&[u8]]) -> Result<List, Stop> {
        let raw = pieces.concat();
        let mut cursor = Cursor::new(&raw, 0, u64::MAX);
        let list = take(type_byte, &mut cursor, &Limits::default())?;
        assert_eq!(cursor.position(), raw.len());
        Ok(list)
    }

    #[track_caller]
    fn check(type_byte: u8, pieces: &[&[u8]], encoding: Encoding, expect: &[&str]) {
        let list = read(type_byte, pieces).expect("a list");
        let values: Vec<Vec<u8>> = list.iter().map(|item| item.to_vec()).collect();
        let expect: Vec<&[u8]> = expect.iter().map(|value| value.as_bytes()).collect();
        assert_eq!(
            (values, list.encoding()),
            (expect.iter().map(|v| v.to_vec()).collect(), encoding)
        );
    }

    #[test]
    fn every_way_it_was_ever_written() {
        let small = Encoding::ListPack;
        let (abc, seven) = (&string(b"abc")[..], &string(b"7")[..]);
        check(t::LIST, &[&[2], abc, seven], small, &["abc", "7"]);
        let ziplist = &string(ZIPLIST)[..];
        check(t::LIST_ZIPLIST, &[ziplist], small, &["abc", "7", "-1"]);
        check(
            t::LIST_QUICKLIST,
            &[&[1], ziplist],
            small,
            &["abc", "7", "-1"],
        );
        let twice = ["abc", "7", "-1", "abc", "7", "-1"];
        let large = Encoding::QuickList;
        check(t::LIST_QUICKLIST, &[&[2], ziplist, ziplist], large, &twice);
        let listpack = &[&[2], &string(LISTPACK)[..]].concat()[..];
        let type_byte = t::LIST_QUICKLIST_2;
        check(type_byte, &[&[1], listpack], small, &["abc", "7", "-1"]);
        check(type_byte, &[&[2], listpack, listpack], large, &twice);
        let plain = &[&[1], abc].concat()[..];
        check(
            type_byte,
            &[&[2], plain, listpack],
            large,
            &["abc", "abc", "7", "-1"],
        );
        // Listpacks without entries are passed over, and a list may be left empty by that.
        let none = &[&[2], &string(b"\x07\0\0\0\0\0\xff")[..]].concat()[..];
        check(
            type_byte,
            &[&[2], none, listpack],
            small,
            &["abc", "7", "-1"],
        );
        check(type_byte, &[&[1], none], small, &[]);
        check(t::LIST, &[&[0]], small, &[]);
    }

    #[test]
    fn what_is_none_is_refused() {
        fn check(type_byte: u8, pieces: &[&[u8]], expect: &'static str) {
            let refused = read(type_byte, pieces).expect_err(expect);
            let Stop::Bad(_, kind) = refused else {
                panic!("{refused:?} for {expect}");
            };
            assert_eq!(kind, DecodeErrorKind::BadValue(expect));
        }
        let listpack = &string(LISTPACK)[..];
        check(t::LIST_ZIPLIST, &[listpack], "a list's ziplist");
        check(t::LIST_QUICKLIST, &[&[1], listpack], "a list's ziplist");
        let type_byte = t::LIST_QUICKLIST_2;
        let ziplist = &string(ZIPLIST)[..];
        check(type_byte, &[&[1, 2], ziplist], "a list's listpack");
        check(
            type_byte,
            &[&[1, 3], listpack],
            "a list's node of no known kind",
        );
        check(type_byte, &[&[1, 1, 0]], "a list's node without bytes");
        check(type_byte, &[&[1, 2, 0]], "a list's node without bytes");
        // More is said to come than there is.
        assert_eq!(read(t::LIST, &[&[2, 1, b'a']]), Err(Stop::Need(4)));
    }

    #[test]
    fn what_is_written_is_read() {
        let limits = Limits {
            max_listpack_size: 3,
            plain_from_bytes: 0,
        };
        let mut list = List::new();
        for n in 0..20 {
            let value = if n == 7 {
                vec![b'x'; 10_000]
            } else {
                vec![b'v'; n]
            };
            list.grow_for(value.len(), 1, &limits);
            list.push(&value, End::Back, &limits);
        }
        let mut out = Vec::new();
        put(&list, &mut Encoder::new(true), &mut out);
        let read = read(type_byte(), &[&out]).expect("a list");
        assert_eq!(read, list);
        assert_eq!(read.node_count(), list.node_count());
    }
}
