//! The event classes of `notify-keyspace-events`, one bit a class.

/// `K`: publish to `__keyspace@<db>__:<key>`.
pub const KEYSPACE: i64 = 1 << 0;
/// `E`: publish to `__keyevent@<db>__:<event>`.
pub const KEYEVENT: i64 = 1 << 1;
/// `g`: commands of every type, such as DEL, EXPIRE and RENAME.
pub const GENERIC: i64 = 1 << 2;
/// `$`: string commands.
pub const STRING: i64 = 1 << 3;
/// `l`: list commands.
pub const LIST: i64 = 1 << 4;
/// `s`: set commands.
pub const SET: i64 = 1 << 5;
/// `h`: hash commands.
pub const HASH: i64 = 1 << 6;
/// `z`: sorted set commands.
pub const ZSET: i64 = 1 << 7;
/// `x`: a key expired.
pub const EXPIRED: i64 = 1 << 8;
/// `e`: a key was evicted.
pub const EVICTED: i64 = 1 << 9;
/// `t`: stream commands.
pub const STREAM: i64 = 1 << 10;
/// `d`: events of module types.
pub const MODULE: i64 = 1 << 11;
/// `m`: a read did not find its key; not part of `A`.
pub const KEY_MISS: i64 = 1 << 12;
/// `n`: a key came to be; not part of `A`.
pub const NEW: i64 = 1 << 13;
/// `A`: all classes but `m` and `n`.
pub const ALL: i64 =
    GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;

/// In the order in which `CONFIG GET` shows them.
const LETTERS: [(u8, i64); 14] = [
    (b'g', GENERIC),
    (b'$', STRING),
    (b'l', LIST),
    (b's', SET),
    (b'h', HASH),
    (b'z', ZSET),
    (b'x', EXPIRED),
    (b'e', EVICTED),
    (b't', STREAM),
    (b'd', MODULE),
    (b'n', NEW),
    (b'K', KEYSPACE),
    (b'E', KEYEVENT),
    (b'm', KEY_MISS),
];

/// Reads the letters; `None` if one of them names no class.
pub fn parse(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |events, letter| {
        let class = match letter {
            b'A' => ALL,
            _ => LETTERS.iter().find(|(known, _)| known == letter)?.1,
        };
        Some(events | class)
    })
}

/// The letters of `events`, `A` for all that it stands for.
pub fn format(events: i64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut left = events;
    if events & ALL == ALL {
        out.push(b'A');
        left &= !ALL;
    }
    let shown = LETTERS.iter().filter(|(_, class)| left & class != 0);
    out.extend(shown.map(|(letter, _)| *letter));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::effects::event;

    fn check(text: &str, expect: Option<&str>) {
        let formatted = parse(text.as_bytes()).map(format);
        assert_eq!(
            formatted,
            expect.map(|text| text.as_bytes().to_vec()),
            "{text}"
        );
    }

    #[test]
    fn letters_become_bits_and_letters_again() {
        check("", Some(""));
        check("KEA", Some("AKE"));
        check("KEAnm", Some("AnKEm"));
        check("nKEmgxd", Some("gxdnKEm"));
        check("g$lshzxetd", Some("A"));
        check("Q", None);
        check("k", None);
    }

    #[test]
    fn the_bits_are_those_that_commands_use() {
        let both = [
            (KEYSPACE, event::KEYSPACE),
            (KEYEVENT, event::KEYEVENT),
            (GENERIC, event::GENERIC),
            (STRING, event::STRING),
            (LIST, event::LIST),
            (SET, event::SET),
            (HASH, event::HASH),
            (ZSET, event::ZSET),
            (EXPIRED, event::EXPIRED),
            (EVICTED, event::EVICTED),
            (STREAM, event::STREAM),
            (MODULE, event::MODULE),
            (KEY_MISS, event::KEY_MISS),
            (NEW, event::NEW),
        ];
        for (here, there) in both {
            assert_eq!(here, i64::from(there));
        }
    }
}
