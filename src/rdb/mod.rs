//! The RDB format as a pure codec: bytes in, facts out, and back. No files, no threads.
//!
//! An RDB file is a flat run of items: a header of nine bytes, then items that each start
//! with one byte, then an end byte and (from version 5) a CRC64 of all before it.
//!
//! ```text
//!   REDIS0011  FA k v ...  FE db  FB keys expires
//!   header     aux fields  db     size hints
//!
//!   [FC ms] [F8 idle | F9 freq] T key value  ...  FF   crc
//!   attributes of the next key  type byte         end
//! ```
//!
//! `encode` appends items to a `Vec<u8>`; whoever concatenates the pieces runs the CRC over
//! them. `decode` turns a stream of bytes, cut anywhere, back into items. It *frames* every
//! type there is (`frame` holds their grammars as tables) and gives strings as values; what
//! the other types hold is read from their raw bytes by `value`, on another thread if need
//! be. `dump` is the payload of DUMP and RESTORE: one value with a footer.
//!
//! What always holds: nothing is allocated because a length says so, no byte of a value is
//! looked at twice because the input came in pieces, and every error names its offset.

pub mod format;

pub mod error;

pub mod lzf;

pub mod legacy;

pub mod encode;

mod cursor;

mod frame;

mod text;

pub mod step;

pub mod decode;

pub mod value;

pub mod dump;
