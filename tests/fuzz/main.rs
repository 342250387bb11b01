//! Bytes from strangers, of every format that they may send: the inputs that led the fuzzers
//! deepest, and random ones. What must hold is said in `fuzz/checks`, which the fuzzers use too.

#[path = "../../fuzz/checks/config.rs"]
mod config;

#[path = "../../fuzz/checks/dump.rs"]
mod dump;

#[path = "../../fuzz/checks/inline.rs"]
mod inline;

#[path = "../../fuzz/checks/rdb.rs"]
mod rdb;

#[path = "../../fuzz/checks/reply.rs"]
mod reply;

#[path = "../../fuzz/checks/request.rs"]
mod request;

#[path = "../door/mod.rs"]
mod door;

mod random;

mod restored;

mod seeds;
