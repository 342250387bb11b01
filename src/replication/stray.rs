//! What a follower says that it should not: requests with a reply, for which there is no room
//! in the stream. They are not run, but judged and reported as if they had been.

use std::sync::Arc;

use super::line::LogLine;
use crate::base::clock;
use crate::commands::client::described;
use crate::exec::Engine;
use crate::exec::plan::{Planner, Verdict};
use crate::resp::argv::Argv;
use crate::shared::clients::ClientFacts;
use crate::shared::session::{Origin, Session};

/// Logs such a request. `error` is what it is answered with, where that is known.
pub fn report(engine: &Engine, facts: &Arc<ClientFacts>, argv: Argv, error: Option<Vec<u8>>) {
    let mut session = Session::new(facts.clone(), Origin::Client);
    session.authenticated = true;
    // Like one who watches, it has no business with keys.
    session.monitor = true;
    let (id, found) = match Planner::new(engine, &session).check(argv) {
        Verdict::Run(id) | Verdict::Queue(id) => (Some(id), None),
        Verdict::Reject(error, id) => (id, Some(error)),
        Verdict::Abort(error, id) => (Some(id), Some(error)),
    };
    let name = id.map_or("<unknown>", |id| engine.registry.full_name(id));
    let client = described(&engine.registry, facts, clock::unix_ms());
    LogLine::warning(format!(
        "Replica generated a reply to command '{name}', disconnecting it: {client}"
    ))
    .log();
    if let Some(text) = error.or_else(|| found.map(|error| error.message().into_owned())) {
        let text = text.strip_prefix(b"ERR ").unwrap_or(&text);
        let text = String::from_utf8_lossy(text);
        LogLine::warning(format!(
            "== CRITICAL == This master is sending an error to its replica: '{text}' after \
             processing the command '{name}'"
        ))
        .log();
    }
}
