//! A connection becomes a follower: its PSYNC is answered, and its link begins.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;

use super::desk::{Desk, RoleRequest, Waiting};
use super::feed::express::Express;
use super::feed::{End, Feed, Source, State};
use super::full_sync::without_keys;
use super::line::LogLine;
use super::psync::{Request, Screened, Standing, Verdict, answer, screen};
use crate::base::clock;
use crate::commands::client::described;
use crate::config::Param;
use crate::exec::Engine;
use crate::net::stream::{Moving, Stream};
use crate::oplog::ReaderKind;
use crate::shared::Shared;
use crate::shared::clients::{ClientFacts, client_flag};
use crate::shared::followers::{Follower, FollowerPhase};
use crate::shared::full_syncs::Reason;
use crate::shared::introduction::FollowerFacts;
use crate::shared::role::FailoverPhase;
use crate::shared::session::Session;

/// How long a refused connection may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// A connection that asked to follow.
pub struct NewFollower {
    pub stream: Moving,
    pub facts: Arc<ClientFacts>,
    /// What REPLCONF told.
    pub introduction: FollowerFacts,
    /// The arguments of PSYNC or SYNC, the name included.
    pub request: Vec<Box<[u8]>>,
    /// What came behind the request.
    pub leftover_input: Vec<u8>,
    /// Replies that were not sent yet: a follower must not ask before it has read them.
    pub pending_output: Vec<u8>,
}

/// The error, without its dash, that a request to follow is answered with if that can be told
/// at once: the connection stays a client's then.
pub fn refusal(
    engine: &Engine,
    session: &Session,
    request: &[Box<[u8]>],
    has_pending_output: bool,
) -> Option<String> {
    let (facts, introduction) = (&session.facts, &session.follower);
    let name = introduction.name(ip_of(&facts.address).as_deref(), facts.id);
    let args: Vec<&[u8]> = request.iter().map(|arg| &arg[..]).collect();
    let screened = screen(
        &Request::parse(&args),
        introduction,
        &engine.shared.history.lock(),
        standing(&engine.shared, has_pending_output),
        &name,
    );
    match screened {
        Screened::Refuse(lines, text) => {
            lines.iter().for_each(LogLine::log);
            Some(text)
        }
        Screened::Ignore | Screened::Promote(_) | Screened::Proceed(_) => None,
    }
}

fn standing(shared: &Shared, has_pending_output: bool) -> Standing {
    Standing {
        is_follower: false,
        pending_output: has_pending_output,
        leads: !shared.role.is_follower(),
        link_up: shared.role.is_link_up(),
        end_offset: shared.oplog.end_offset(),
        failing_over: *shared.role.failover.lock() != FailoverPhase::None,
    }
}

/// What a request comes to.
enum Answered {
    /// Error text without the leading dash.
    Refused(String),
    /// The link's source, and what is to be sent first.
    Begins(Source, Vec<u8>),
}

/// Answers and serves, to the end of the connection.
pub async fn serve(desk: Rc<Desk>, new: NewFollower) {
    let NewFollower {
        stream,
        facts,
        introduction,
        request,
        leftover_input,
        mut pending_output,
    } = new;
    let shared = &desk.engine.shared;
    let Ok(mut stream) = stream.join() else {
        shared.clients.remove(facts.id);
        return;
    };
    shared.clients.add(facts.clone());
    let peer_ip = ip_of(&facts.address);
    let name = introduction.name(peer_ip.as_deref(), facts.id);
    let follower = Arc::new(register_form(&facts, &introduction, peer_ip));
    let args: Vec<&[u8]> = request.iter().map(|arg| &arg[..]).collect();
    let asked = Asked {
        desk: &desk,
        stream: &stream,
        facts: &facts,
        request: Request::parse(&args),
        introduction: &introduction,
        follower: &follower,
        name: &name,
        has_pending_output: !pending_output.is_empty(),
    };
    let by_sync = asked.request == Request::Sync;
    match asked.answer().await {
        Answered::Refused(text) => {
            pending_output.extend_from_slice(format!("-{text}\r\n").as_bytes());
            say_and_close(&mut stream, &pending_output).await;
        }
        Answered::Begins(source, out) => {
            facts.set(client_flag::FOLLOWER, true);
            let delays = shared.config.get_bool(Param::ReplDisableTcpNodelay);
            if let Stream::Tcp(tcp) = &stream {
                // A socket that refuses this is about to break anyway.
                let _ = tcp.set_nodelay(!delays);
            }
            desk.count_good_followers();
            let mut feed = Feed {
                desk: desk.clone(),
                stream,
                facts: facts.clone(),
                follower,
                introduction,
                name,
                by_sync,
                source,
                out,
                input: leftover_input,
                state: State::default(),
            };
            let end = feed.run().await;
            leave(&desk, &feed, &end);
        }
    }
    shared.clients.remove(facts.id);
}

fn leave(desk: &Desk, feed: &Feed, end: &End) {
    let shared = &desk.engine.shared;
    shared.followers.remove(feed.facts.id);
    if shared.followers.is_empty() {
        desk.alone_since_us.set(clock::monotonic_us());
    }
    desk.count_good_followers();
    // Those who wait for acknowledgements count anew.
    shared.followers.note_acks();
    let name = &feed.name;
    if *end != End::Dropped || !feed.introduction.rdb_only {
        LogLine::notice(format!("Connection with replica {name} lost.")).log();
    }
}

struct Asked<'a> {
    desk: &'a Rc<Desk>,
    stream: &'a Stream,
    facts: &'a Arc<ClientFacts>,
    request: Request,
    introduction: &'a FollowerFacts,
    follower: &'a Arc<Follower>,
    name: &'a str,
    has_pending_output: bool,
}

impl Asked<'_> {
    async fn answer(mut self) -> Answered {
        loop {
            match self.screen() {
                // It cannot be one: its connection was a client's until now.
                Screened::Ignore => return Answered::Refused(String::new()),
                Screened::Refuse(lines, text) => {
                    lines.iter().for_each(LogLine::log);
                    return Answered::Refused(text);
                }
                Screened::Promote(lines) => {
                    lines.iter().for_each(LogLine::log);
                    self.take_over().await;
                }
                Screened::Proceed(line) => {
                    line.log();
                    return self.decide();
                }
            }
        }
    }

    fn screen(&self) -> Screened {
        let shared = &self.desk.engine.shared;
        screen(
            &self.request,
            self.introduction,
            &shared.history.lock(),
            standing(shared, self.has_pending_output),
            self.name,
        )
    }

    /// Our leader hands its role to us, and then asks like any follower.
    async fn take_over(&mut self) {
        let (reply, done) = oneshot::channel();
        let registry = &self.desk.engine.registry;
        let requested_by = described(registry, self.facts, clock::unix_ms());
        let request = RoleRequest::TakeOver {
            requested_by,
            reply,
        };
        if self.desk.roles.send(request).is_ok() {
            // Without an answer the server is ending.
            let _ = done.await;
        }
        if let Request::Psync { failover, .. } = &mut self.request {
            *failover = false;
        }
    }

    fn decide(&self) -> Answered {
        let shared = &self.desk.engine.shared;
        let stats = &shared.stats.rare;
        // History and backlog stay as they are until the follower stands in the register,
        // where whoever changes them finds it.
        let history = shared.history.lock();
        let backlog = shared.oplog.backlog();
        let answer = answer(
            &self.request,
            self.introduction,
            &history,
            backlog,
            self.name,
        );
        answer.log.iter().for_each(LogLine::log);
        let reason = match answer.verdict {
            Verdict::Continue { after, reply } => {
                match shared.oplog.reader_after(after, ReaderKind::Follower) {
                    Ok(reader) => {
                        // It tells so by asking for what follows.
                        self.follower.acked_offset.store(after, Ordering::Release);
                        self.follower.set_phase(FollowerPhase::Online);
                        shared.followers.add(self.follower.clone());
                        stats.sync_partial_ok.fetch_add(1, Ordering::Relaxed);
                        self.desk.dropped.borrow_mut().remove(self.name);
                        let engine = &self.desk.engine;
                        let express = Express::new(reader, self.stream, engine, self.facts);
                        return Answered::Begins(Source::Stream(express), reply);
                    }
                    Err(_) => Reason::BacklogMissed,
                }
            }
            Verdict::FullResync(reason) => reason,
        };
        shared.followers.add(self.follower.clone());
        drop(history);
        if reason.follows_a_try() {
            stats.sync_partial_err.fetch_add(1, Ordering::Relaxed);
        }
        let was_dropped = self.desk.dropped.borrow_mut().remove(self.name);
        shared.followers.full_syncs.count(match was_dropped {
            true => Reason::OutputLimit,
            false => reason,
        });
        stats.sync_full.fetch_add(1, Ordering::Relaxed);
        self.wait_for_snapshot()
    }

    fn wait_for_snapshot(&self) -> Answered {
        self.desk.ensure_backlog();
        let config = &self.desk.engine.shared.config;
        let diskless = config.get_bool(Param::ReplDisklessSync) && self.introduction.eof;
        if diskless && config.get_int(Param::ReplDisklessSyncDelay) > 0 {
            LogLine::notice("Delay next BGSAVE for diskless SYNC").log();
        }
        let (cut, cuts) = oneshot::channel();
        let by_sync = self.request == Request::Sync;
        if self.introduction.exclude_data {
            // The receiver is in our hands.
            let _ = cut.send(without_keys(by_sync, self.introduction, self.desk));
            return Answered::Begins(Source::Waiting(cuts), Vec::new());
        }
        let mut introduction = self.introduction.clone();
        // Today that is how tools ask, which say nothing of what they read.
        introduction.redis_12 |= by_sync;
        self.desk.waiting.borrow_mut().push(Waiting {
            follower: self.follower.clone(),
            introduction,
            by_sync,
            since_us: clock::monotonic_us(),
            is_refused: false,
            name: self.name.to_owned(),
            cut,
        });
        self.desk.arrived.notify_one();
        Answered::Begins(Source::Waiting(cuts), Vec::new())
    }
}

/// The address without its port; None for a Unix socket.
fn ip_of(address: &str) -> Option<String> {
    let address: SocketAddr = address.parse().ok()?;
    Some(address.ip().to_string())
}

fn register_form(
    facts: &ClientFacts,
    introduction: &FollowerFacts,
    peer_ip: Option<String>,
) -> Follower {
    let announced = introduction.ip_address.as_deref();
    let announced = announced.map(|ip| String::from_utf8_lossy(ip).into_owned());
    let ip = announced.or(peer_ip).unwrap_or_default();
    let port = u16::try_from(introduction.listening_port).unwrap_or(0);
    Follower::new(facts.id, ip, port, clock::unix_ms())
}

/// Sends an error and gives the other side the time to read it.
async fn say_and_close(stream: &mut Stream, mut bytes: &[u8]) {
    let talk = poll_fn(|cx| {
        while !bytes.is_empty() {
            match stream.poll_write(cx, bytes) {
                Poll::Ready(Ok(sent)) => bytes = bytes.get(sent..).unwrap_or_default(),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        let mut scrap = [0; 512];
        loop {
            match stream.poll_read(cx, &mut scrap) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    // Either way it is over.
    let _ = tokio::time::timeout(LINGER, talk).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_peer_is_without_port_and_brackets() {
        assert_eq!(ip_of("10.0.0.7:1234").as_deref(), Some("10.0.0.7"));
        assert_eq!(ip_of("[::1]:1234").as_deref(), Some("::1"));
        assert_eq!(ip_of("/tmp/socket:0"), None);
    }
}
