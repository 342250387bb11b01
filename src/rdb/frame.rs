//! Finds where a value ends, whatever its type, without knowing what it means.
//!
//! The grammar of every type is a table of a few operations. The machine walks the table
//! over the input and remembers where it is, so a value that arrives in pieces is walked
//! once, and a value that announces a billion members costs nothing until they are there.

use super::cursor::{Cursor, Stop};
use super::error::DecodeErrorKind;
use super::format::type_byte as t;
use super::format::{Dialect, module_opcode};

/// One step over a value's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    /// A string in any encoding.
    Str,
    /// A length or number.
    Len,
    /// This many bytes.
    Bytes(u8),
    /// A score as text: one length byte (253 to 255 stand alone), then the text.
    TextDouble,
    /// A number, then the block that many times.
    Times(&'static [Op]),
    /// A module's tagged fields up to and including the end code.
    ModuleFields,
}

use Op::{Bytes, Len, ModuleFields, Str, TextDouble, Times};

/// How the value behind a type byte is laid out; none for a byte that is no type.
pub(super) fn grammar(type_byte: u8, dialect: Dialect) -> Option<&'static [Op]> {
    Some(match type_byte {
        t::STRING => &[Str],
        t::LIST | t::SET => &[Times(&[Str])],
        t::ZSET => &[Times(&[Str, TextDouble])],
        t::HASH => &[Times(&[Str, Str])],
        t::ZSET_2 => &[Times(&[Str, Bytes(8)])],
        t::MODULE_2 => &[Len, ModuleFields],
        t::HASH_ZIPMAP | t::LIST_ZIPLIST | t::SET_INTSET | t::ZSET_ZIPLIST => &[Str],
        t::HASH_ZIPLIST | t::HASH_LISTPACK | t::ZSET_LISTPACK | t::SET_LISTPACK => &[Str],
        t::LIST_QUICKLIST => &[Times(&[Str])],
        t::LIST_QUICKLIST_2 => &[Times(&[Len, Str])],
        t::STREAM_LISTPACKS => STREAM_1,
        t::STREAM_LISTPACKS_2 => STREAM_2,
        t::STREAM_LISTPACKS_3 => STREAM_3,
        _ => return dialect_grammar(type_byte, dialect),
    })
}

fn dialect_grammar(type_byte: u8, dialect: Dialect) -> Option<&'static [Op]> {
    Some(match (dialect, type_byte) {
        (Dialect::Valkey, t::VALKEY_HASH_2) => &[Times(&[Str, Str, Bytes(8)])],
        (Dialect::Redis, t::REDIS_HASH_METADATA_PRE_GA) => &[Times(&[Len, Str, Str])],
        (Dialect::Redis, t::REDIS_HASH_LISTPACK_EX_PRE_GA) => &[Str],
        (Dialect::Redis, t::REDIS_HASH_METADATA) => &[Bytes(8), Times(&[Len, Str, Str])],
        (Dialect::Redis, t::REDIS_HASH_LISTPACK_EX) => &[Bytes(8), Str],
        _ => return None,
    })
}

/// What is in flight: raw 128-bit id, delivery time, delivery count.
const PENDING: Op = Times(&[Bytes(16), Bytes(8), Len]);
/// A consumer's share of what is in flight: raw ids.
const PENDING_IDS: Op = Times(&[Bytes(16)]);

/// Nodes; length and last id; groups of name, last id, what is in flight, and consumers of
/// name, time seen, and their share.
const STREAM_1: &[Op] = &[
    Times(&[Str, Str]),
    Len,
    Len,
    Len,
    Times(&[Str, Len, Len, PENDING, Times(&[Str, Bytes(8), PENDING_IDS])]),
];

/// Adds first id, largest deleted id and entries added, and each group's entries read.
const STREAM_2: &[Op] = &[
    Times(&[Str, Str]),
    Len,
    Len,
    Len,
    Len,
    Len,
    Len,
    Len,
    Len,
    Times(&[
        Str,
        Len,
        Len,
        Len,
        PENDING,
        Times(&[Str, Bytes(8), PENDING_IDS]),
    ]),
];

/// Adds the time each consumer was last active.
const STREAM_3: &[Op] = &[
    Times(&[Str, Str]),
    Len,
    Len,
    Len,
    Len,
    Len,
    Len,
    Len,
    Len,
    Times(&[
        Str,
        Len,
        Len,
        Len,
        PENDING,
        Times(&[Str, Bytes(16), PENDING_IDS]),
    ]),
];

/// Data of a module outside the keys: id, then a tagged number, then its fields.
pub(super) const MODULE_AUX: &[Op] = &[Len, Len, Len, ModuleFields];

/// A slot import: the job's name, then ranges of slots.
pub(super) const SLOT_IMPORT: &[Op] = &[Str, Times(&[Len, Len])];

/// Blocks inside blocks: a stream's groups hold consumers, which hold ids.
const DEPTH_MAX: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Block {
    ops: &'static [Op],
    next: usize,
    /// How often the block is still to be walked, the current round included.
    rounds: u64,
}

/// The machine: where in the grammar and where in the input it stands.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    blocks: [Block; DEPTH_MAX],
    depth: usize,
    position: usize,
}

impl Frame {
    /// A machine that walks `ops` from `position` of the input.
    pub fn new(ops: &'static [Op], position: usize) -> Self {
        const EMPTY: Block = Block {
            ops: &[],
            next: 0,
            rounds: 0,
        };
        let mut blocks = [EMPTY; DEPTH_MAX];
        blocks[0] = Block {
            ops,
            next: 0,
            rounds: 1,
        };
        Frame {
            blocks,
            depth: 1,
            position,
        }
    }

    /// Walks on. After `Stop::Need` it is called again with the same bytes and more behind
    /// them, and goes on where it stopped. Returns the position behind the value.
    pub fn walk(&mut self, input: &[u8], string_bytes_max: u64) -> Result<usize, Stop> {
        let mut cursor = Cursor::new(input, self.position, string_bytes_max);
        while self.depth > 0 {
            let block = &mut self.blocks[self.depth - 1];
            let Some(&op) = block.ops.get(block.next) else {
                block.next = 0;
                block.rounds -= 1;
                if block.rounds == 0 {
                    self.depth -= 1;
                }
                continue;
            };
            let inner = step(op, &mut cursor)?;
            self.position = cursor.position();
            match (inner, op) {
                (Step::Again, _) => {}
                (Step::Done, _) => block.next += 1,
                (Step::Rounds(rounds), Times(ops)) => {
                    block.next += 1;
                    if rounds > 0 {
                        self.blocks[self.depth] = Block {
                            ops,
                            next: 0,
                            rounds,
                        };
                        self.depth += 1;
                    }
                }
                (Step::Rounds(_), _) => block.next += 1,
            }
        }
        Ok(self.position)
    }
}

enum Step {
    /// The operation is behind us.
    Done,
    /// One round of it is behind us, and it is to be done again.
    Again,
    /// A block follows, this many times.
    Rounds(u64),
}

#[inline]
fn step(op: Op, cursor: &mut Cursor<'_>) -> Result<Step, Stop> {
    match op {
        Str => cursor.string().map(|_| Step::Done),
        Len => cursor.length().map(|_| Step::Done),
        Bytes(len_bytes) => cursor.bytes(u64::from(len_bytes)).map(|_| Step::Done),
        TextDouble => match cursor.byte()? {
            253..=255 => Ok(Step::Done),
            len_bytes => cursor.bytes(u64::from(len_bytes)).map(|_| Step::Done),
        },
        Times(_) => cursor.length().map(Step::Rounds),
        ModuleFields => module_field(cursor),
    }
}

fn module_field(cursor: &mut Cursor<'_>) -> Result<Step, Stop> {
    let start = cursor.position();
    match cursor.length()? {
        module_opcode::END => return Ok(Step::Done),
        module_opcode::SINT | module_opcode::UINT => {
            cursor.length()?;
        }
        module_opcode::FLOAT => {
            cursor.bytes(4)?;
        }
        module_opcode::DOUBLE => {
            cursor.bytes(8)?;
        }
        module_opcode::STRING => {
            cursor.string()?;
        }
        other => return Err(Stop::Bad(start, DecodeErrorKind::BadModuleOpcode(other))),
    }
    Ok(Step::Again)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The deepest nesting of a grammar, the outermost block included.
    fn depth(ops: &[Op]) -> usize {
        let inner = ops.iter().map(|op| match op {
            Times(ops) => depth(ops),
            _ => 0,
        });
        1 + inner.max().unwrap_or(0)
    }

    #[test]
    fn no_grammar_is_deeper_than_the_machine() {
        for dialect in [Dialect::Redis, Dialect::Valkey] {
            for byte in 0..=255 {
                if let Some(ops) = grammar(byte, dialect) {
                    assert!(depth(ops) <= DEPTH_MAX, "type {byte}");
                }
            }
        }
        assert!(depth(MODULE_AUX) <= DEPTH_MAX && depth(SLOT_IMPORT) <= DEPTH_MAX);
    }

    #[test]
    fn a_billion_members_cost_nothing_until_they_are_there() {
        let ops = grammar(t::LIST, Dialect::Redis).unwrap();
        let mut frame = Frame::new(ops, 0);
        let mut input = vec![0x81, 0x7F, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(frame.walk(&input, u64::MAX), Err(Stop::Need(10)));
        input.extend_from_slice(&[1, b'a']);
        assert_eq!(frame.walk(&input, u64::MAX), Err(Stop::Need(12)));
    }
}
