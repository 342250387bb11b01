//! What patterns stand for.

use crate::base::number::digits;
use crate::commands::cx::Cx;
use crate::store::keyspace::Key;
use crate::types::ValueRef;
use memchr::{memchr, memmem};

/// Appends what the pattern says of an element: the element itself for `#`; else its text is
/// put in the place of the first `*`, which gives the name of a key that holds a string, or,
/// with a `->` behind it, of a hash and one of its fields. False if there is no such thing.
pub fn look_up(cx: &mut Cx, pattern: &[u8], element: &[u8], out: &mut Vec<u8>) -> bool {
    if pattern == b"#" {
        out.extend_from_slice(element);
        return true;
    }
    let Some(star) = memchr(b'*', pattern) else {
        return false;
    };
    let (before, behind) = (&pattern[..star], &pattern[star + 1..]);
    let (behind, field) = match memmem::find(behind, b"->") {
        Some(arrow) if arrow + 2 < behind.len() => (&behind[..arrow], Some(&behind[arrow + 2..])),
        _ => (behind, None),
    };
    let name = [before, element, behind].concat();
    let key = Key {
        bytes: &name,
        hash: cx.store.keyspace.hasher.hash(&name),
    };
    let sight = cx.store.sight();
    let Some(entry) = cx.store.read(cx.session.db, key) else {
        return false;
    };
    let Some(field) = field else {
        let bytes = entry.string_bytes();
        out.extend_from_slice(bytes.unwrap_or_default());
        return bytes.is_some();
    };
    let Some(ValueRef::Hash(hash)) = entry.value() else {
        return false;
    };
    match hash.get(field) {
        Some(found) if sight.sees(&found) => {
            out.extend_from_slice(found.value.text(&mut digits()));
            true
        }
        _ => false,
    }
}
