//! How we appear to our leader, and our leader to our clients.

use std::sync::Arc;

use super::handshake::Introduction;
use crate::base::clock;
use crate::config::Param;
use crate::exec::Engine;
use crate::net::stream::Stream;
use crate::shared::clients::{ClientFacts, client_flag};
use crate::shared::role::LinkPhase;
use crate::shared::session::{Origin, Session};

/// The session that the stream runs in, and the client that CLIENT LIST shows for it.
pub fn leader_session(engine: &Engine, stream: Option<&Stream>) -> Session {
    let shared = &engine.shared;
    let (address, local_address) = stream.map(Stream::addresses).unwrap_or_default();
    let now_ms = clock::unix_ms();
    let mut facts = ClientFacts::default();
    facts.id = shared.clients.next_id();
    facts.address = address;
    facts.local_address = local_address;
    facts.fd = stream.map_or(-1, Stream::fd);
    facts.created_ms = now_ms;
    facts.last_active_ms = now_ms.into();
    facts.queued = (-1).into();
    facts.resp = 2.into();
    let facts = Arc::new(facts);
    facts.set(client_flag::LEADER, true);
    facts.text.lock().user = "(superuser)".to_owned();
    if stream.is_some() {
        shared.clients.add(facts.clone());
    }
    let mut session = Session::new(facts, Origin::Leader);
    session.authenticated = true;
    session
}

/// What we say of ourselves, as the configuration has it now.
pub fn introduction(engine: &Engine) -> Introduction {
    let config = &engine.shared.config;
    let text = |param| {
        let text = config.get_text(param);
        (!text.is_empty()).then(|| text.to_vec())
    };
    let port = match config.get_int(Param::ReplicaAnnouncePort) {
        0 => config.get_int(Param::Port),
        announced => announced,
    };
    Introduction {
        password: text(Param::MasterAuth),
        user: text(Param::MasterUser),
        listening_port: u16::try_from(port).unwrap_or(0),
        announce_ip: text(Param::ReplicaAnnounceIp),
        // The Valkey whose snapshots we read as well as our own.
        version: Some("9.0.0".to_owned()),
        loads_from_socket: false,
    }
}

/// `repl-timeout`.
pub fn timeout_ms(engine: &Engine) -> u64 {
    let timeout = engine.shared.config.get_seconds(Param::ReplTimeout);
    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX / 2)
}

/// The phase that ROLE calls by this name.
pub fn phase_named(name: &str) -> LinkPhase {
    match name {
        "connect" => LinkPhase::Connect,
        "connecting" => LinkPhase::Connecting,
        "handshake" => LinkPhase::Handshake,
        "sync" => LinkPhase::Sync,
        "connected" => LinkPhase::Connected,
        _ => LinkPhase::None,
    }
}
