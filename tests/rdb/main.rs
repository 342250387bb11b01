//! The RDB codec from outside: what it writes it reads, what is broken it names, and what
//! other servers write and read agrees with it.

#[path = "../oracle/mod.rs"]
mod oracle;

mod collect;

mod codec;

mod broken;

mod peers;
