//! Every error text that a command can answer, as Redis words it.

use std::borrow::Cow;
use std::fmt;

use crate::resp::reply::ReplyBuf;
use crate::resp::template::fill;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CmdError {
    Syntax,
    WrongType,
    NotInteger,
    NotFloat,
    NoSuchKey,
    DbIndexOutOfRange,
    SameObject,
    ReadOnly,
    NoAuth,
    Loading,
    MasterDown,
    NoReplicas,
    BusyKey,
    OutOfMemory,
    ExecAbort,
    StringTooLong,
    IncrOverflow,
    InvalidExpire(String),
    WrongArity(String),
    /// Any other text, with its code word first ("ERR ...").
    Text(Cow<'static, [u8]>),
}

impl CmdError {
    pub const fn text(text: &'static str) -> CmdError {
        CmdError::Text(Cow::Borrowed(text.as_bytes()))
    }

    /// A made text, with its code.
    pub fn made(text: impl Into<Vec<u8>>) -> CmdError {
        CmdError::Text(Cow::Owned(text.into()))
    }

    /// A made text, `ERR ` put in front.
    pub fn err(text: impl fmt::Display) -> CmdError {
        CmdError::made(format!("ERR {text}"))
    }

    /// A text, with its code, that has what a client sent in the places of its `{}`.
    pub fn quoting(template: &str, quoted: &[&[u8]]) -> CmdError {
        CmdError::made(fill(template, quoted))
    }

    /// The code and text, as behind the `-` of an error reply.
    pub fn message(&self) -> Cow<'_, [u8]> {
        let text = match self {
            CmdError::Syntax => "ERR syntax error",
            CmdError::WrongType => {
                "WRONGTYPE Operation against a key holding the wrong kind of value"
            }
            CmdError::NotInteger => "ERR value is not an integer or out of range",
            CmdError::NotFloat => "ERR value is not a valid float",
            CmdError::NoSuchKey => "ERR no such key",
            CmdError::DbIndexOutOfRange => "ERR DB index is out of range",
            CmdError::SameObject => "ERR source and destination objects are the same",
            CmdError::ReadOnly => "READONLY You can't write against a read only replica.",
            CmdError::NoAuth => "NOAUTH Authentication required.",
            CmdError::Loading => "LOADING Redis is loading the dataset in memory",
            CmdError::MasterDown => {
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
            }
            CmdError::NoReplicas => "NOREPLICAS Not enough good replicas to write.",
            CmdError::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            CmdError::BusyKey => "BUSYKEY Target key name already exists.",
            CmdError::ExecAbort => "EXECABORT Transaction discarded because of previous errors.",
            CmdError::StringTooLong => {
                "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
            }
            CmdError::IncrOverflow => "ERR increment or decrement would overflow",
            CmdError::InvalidExpire(name) => {
                let text = format!("ERR invalid expire time in '{name}' command");
                return Cow::Owned(text.into());
            }
            CmdError::WrongArity(name) => {
                let text = format!("ERR wrong number of arguments for '{name}' command");
                return Cow::Owned(text.into());
            }
            CmdError::Text(text) => return Cow::Borrowed(text),
        };
        Cow::Borrowed(text.as_bytes())
    }

    #[cold]
    pub fn write(&self, reply: &mut ReplyBuf) {
        reply.error_bytes(&self.message());
    }
}

/// For log lines, in which bytes that are no text are replaced.
impl fmt::Display for CmdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.message()))
    }
}
