//! Every error text that a command can answer, as Redis words it.

use std::borrow::Cow;

use crate::resp::reply::ReplyBuf;

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
    UnknownCommand {
        name: String,
        args: String,
    },
    UnknownSubcommand {
        given: String,
        container: String,
    },
    /// Any other text, with its code word first ("ERR ...").
    Text(Cow<'static, str>),
}

impl CmdError {
    pub const fn text(text: &'static str) -> CmdError {
        CmdError::Text(Cow::Borrowed(text))
    }

    /// A made text, `ERR ` put in front.
    pub fn err(text: impl std::fmt::Display) -> CmdError {
        CmdError::Text(Cow::Owned(format!("ERR {text}")))
    }

    /// The code and text, as behind the `-` of an error reply.
    pub fn message(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
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
                return format!("ERR invalid expire time in '{name}' command").into();
            }
            CmdError::WrongArity(name) => {
                return format!("ERR wrong number of arguments for '{name}' command").into();
            }
            CmdError::UnknownCommand { name, args } => {
                return format!("ERR unknown command '{name}', with args beginning with: {args}")
                    .into();
            }
            CmdError::UnknownSubcommand { given, container } => {
                let help = container.to_uppercase();
                return format!("ERR unknown subcommand '{given}'. Try {help} HELP.").into();
            }
            CmdError::Text(text) => text,
        })
    }

    #[cold]
    pub fn write(&self, reply: &mut ReplyBuf) {
        reply.error(&self.message());
    }
}
