//! The configuration as a whole: files, command line, GET, SET and REWRITE, most of it
//! side by side with a real redis-server.

#[path = "../oracle/mod.rs"]
mod oracle;

mod support;

mod peer;

mod own;

mod compared;

mod stock;
