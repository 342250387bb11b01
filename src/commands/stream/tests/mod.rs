//! Replies, log records and events of the commands on streams.

/// Entries: added, trimmed, deleted, read.
mod entries;

/// Groups: what they read, acknowledge and claim.
mod groups;

use crate::commands::testing::TestServer;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const INVALID_ID: &str = "-ERR Invalid stream ID specified as stream command argument";

/// A server with a stream `s` of five entries and a group `g` that has read none of them.
fn with_group() -> TestServer {
    let mut server = TestServer::new();
    for ms in 1..=5 {
        server.run(&format!("XADD s {ms} a {ms}"));
    }
    server.check("XGROUP CREATE s g 0", "+OK");
    server.log();
    server.events();
    server
}
