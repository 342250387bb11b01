//! The grammar of a command's arguments, as a tree.

/// What stands in an argument's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Key,
    String,
    Integer,
    Double,
    UnixTime,
    Pattern,
    /// Nothing but its token.
    PureToken,
    /// One of its own arguments.
    OneOf,
    /// All of its own arguments, in order.
    Block,
}

impl Kind {
    /// The word for it in COMMAND DOCS.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Key => "key",
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::UnixTime => "unix-time",
            Kind::Pattern => "pattern",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Arg {
    pub name: &'static str,
    pub kind: Kind,
    /// What people are shown in its place; empty for the arguments that hold others.
    pub display_text: &'static str,
    /// Which of the command's key specs finds this key, or those of this pattern.
    pub key_spec: Option<usize>,
    /// The word before it; `None` if there is none (a word may be empty: `""`).
    pub token: Option<&'static str>,
    /// The version that brought it; empty if it came with its command.
    pub since: &'static str,
    /// The version from which on it should not be used; empty if it may be.
    pub deprecated_since: &'static str,
    pub optional: bool,
    pub multiple: bool,
    /// The token is repeated with each value.
    pub multiple_token: bool,
    pub arguments: &'static [Arg],
}

pub const fn key(name: &'static str, key_spec: usize) -> Arg {
    let mut arg = Arg::new(name, Kind::Key);
    arg.key_spec = Some(key_spec);
    arg
}

pub const fn string(name: &'static str) -> Arg {
    Arg::new(name, Kind::String)
}

pub const fn integer(name: &'static str) -> Arg {
    Arg::new(name, Kind::Integer)
}

pub const fn double(name: &'static str) -> Arg {
    Arg::new(name, Kind::Double)
}

pub const fn unix_time(name: &'static str) -> Arg {
    Arg::new(name, Kind::UnixTime)
}

pub const fn pattern(name: &'static str) -> Arg {
    Arg::new(name, Kind::Pattern)
}

pub const fn token(name: &'static str, token: &'static str) -> Arg {
    Arg::new(name, Kind::PureToken).token(token)
}

pub const fn one_of(name: &'static str, arguments: &'static [Arg]) -> Arg {
    Arg::holding(name, Kind::OneOf, arguments)
}

pub const fn block(name: &'static str, arguments: &'static [Arg]) -> Arg {
    Arg::holding(name, Kind::Block, arguments)
}

impl Arg {
    const fn new(name: &'static str, kind: Kind) -> Arg {
        Arg {
            name,
            kind,
            display_text: name,
            key_spec: None,
            token: None,
            since: "",
            deprecated_since: "",
            optional: false,
            multiple: false,
            multiple_token: false,
            arguments: &[],
        }
    }

    const fn holding(name: &'static str, kind: Kind, arguments: &'static [Arg]) -> Arg {
        let mut arg = Arg::new(name, kind);
        arg.display_text = "";
        arg.arguments = arguments;
        arg
    }

    /// People are shown another word than the argument's name.
    pub const fn shown(mut self, display_text: &'static str) -> Arg {
        self.display_text = display_text;
        self
    }

    /// The keys that a pattern stands for are found by this key spec of the command.
    pub const fn key_spec(mut self, key_spec: usize) -> Arg {
        self.key_spec = Some(key_spec);
        self
    }

    pub const fn token(mut self, token: &'static str) -> Arg {
        self.token = Some(token);
        self
    }

    pub const fn since(mut self, version: &'static str) -> Arg {
        self.since = version;
        self
    }

    pub const fn deprecated(mut self, since: &'static str) -> Arg {
        self.deprecated_since = since;
        self
    }

    pub const fn optional(mut self) -> Arg {
        self.optional = true;
        self
    }

    pub const fn multiple(mut self) -> Arg {
        self.multiple = true;
        self
    }

    pub const fn multiple_token(mut self) -> Arg {
        self.multiple_token = true;
        self
    }
}
