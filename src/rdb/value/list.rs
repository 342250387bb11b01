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
