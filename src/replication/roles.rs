//! Changes of role and of history. Each is made while everything is locked, so that no
//! command runs half as a leader and half as a follower, and no record of one history gets
//! into the log of another.

use std::sync::atomic::Ordering;

use super::line::LogLine;
use super::link::Target;
use super::psync::{backlog_created_line, shift_line};
use crate::base::clock;
use crate::base::rng::Rng;
use crate::commands::replication::begin_to_follow;
use crate::oplog::{Audience, History, ReplId};
use crate::persist::load::ReplFacts;
use crate::shared::Shared;
use crate::shared::pause::PausedFor;
use crate::shared::role::{FailoverPhase, LinkFacts};
use crate::store::locked::{Locked, Locker};

/// A new replication id.
#[must_use]
pub fn new_id() -> ReplId {
    ReplId::from_hex(Rng::from_entropy().hex_id())
}

/// Takes up, before clients come, what the last run left. A follower goes on with the
/// history itself; a leader gives what follows a new id, since a crash may have lost what
/// came behind the file, and lets those continue who have no more than the file has.
/// Everything is locked.
pub fn restore(shared: &Shared, restored: ReplFacts) {
    let follows = shared.role.is_follower();
    let mut history = shared.history.lock();
    *history = History::new(restored.id);
    if !follows {
        history.shift(new_id(), restored.offset);
    }
    shared.oplog.reset_to(restored.offset);
    shared.oplog.activate_backlog();
    if follows {
        select(shared, restored.stream_db);
    }
    let offset = &shared.role.applied_offset;
    offset.store(restored.offset, Ordering::Release);
}

/// Becomes a follower of `target`, or of another leader than before.
pub fn follow(shared: &Shared, locker: &mut Locker, target: &Target) {
    let _everything = shared.keyspace.lock_everything(locker);
    begin_to_follow(shared, &target.host, target.port);
}

/// The same, of the follower that is to lead instead of us.
pub fn hand_over(shared: &Shared, locker: &mut Locker, target: &Target) {
    let _everything = shared.keyspace.lock_everything(locker);
    *shared.role.failover.lock() = FailoverPhase::InProgress;
    begin_to_follow(shared, &target.host, target.port);
}

/// A failover begins: writes are held until it has ended.
///
/// # Errors
/// It cannot, for the state that the server is in by now; the text is a reply.
pub fn begin_failover(shared: &Shared, locker: &mut Locker) -> Result<(), &'static str> {
    let _everything = shared.keyspace.lock_everything(locker);
    let mut phase = shared.role.failover.lock();
    if *phase != FailoverPhase::None {
        return Err("ERR FAILOVER already in progress.");
    }
    if shared.role.is_follower() {
        return Err("ERR FAILOVER is not valid when server is a replica.");
    }
    *phase = FailoverPhase::WaitForSync;
    let now_ms = clock::unix_ms();
    shared
        .pause
        .begin(PausedFor::Failover, i64::MAX, true, now_ms);
    Ok(())
}

/// A failover has ended, one way or the other.
pub fn end_failover(shared: &Shared, locker: &mut Locker) {
    let _everything = shared.keyspace.lock_everything(locker);
    *shared.role.failover.lock() = FailoverPhase::None;
    shared.pause.end(PausedFor::Failover);
}

/// Becomes a leader: the history goes on under a new id, and followers come again to hear
/// of it. Returns what is to be logged of that; nothing if it is a leader already.
pub fn lead(shared: &Shared, locker: &mut Locker) -> Option<LogLine> {
    let _everything = shared.keyspace.lock_everything(locker);
    let role = &shared.role;
    if !role.is_follower() {
        return None;
    }
    let mut history = shared.history.lock();
    history.shift(new_id(), shared.oplog.end_offset());
    let line = shift_line(&history);
    drop(history);
    shared.oplog.forget_selected_db();
    role.set_follower(false);
    role.set_link_up(false);
    shared.own_expiries.clear();
    *role.link.lock() = LinkFacts::default();
    shared.config.set_leader(None);
    drop_followers(shared);
    Some(line)
}

/// The link to the leader has broken.
pub fn lose_link(shared: &Shared, locker: &mut Locker) {
    let _everything = shared.keyspace.lock_everything(locker);
    shared.role.set_link_up(false);
}

/// The leader lets us continue, perhaps under a new id.
pub fn adopt_continue(shared: &Shared, locker: &mut Locker, id: Option<ReplId>) {
    let _everything = shared.keyspace.lock_everything(locker);
    if let Some(id) = id
        && shared
            .history
            .lock()
            .adopt_continue(id, shared.oplog.end_offset())
    {
        LogLine::notice(format!("Master replication ID changed to {id}")).log();
        drop_followers(shared);
    }
    shared.oplog.activate_backlog();
    shared.role.set_link_up(true);
}

/// The leader's data is in place: what follows `end_offset` of its history comes next.
/// Everything is locked. Without an id the leader told nothing that could be continued.
pub fn adopt_full(shared: &Shared, _: &Locked, from: Option<(ReplId, u64)>, db: Option<u32>) {
    let (id, end_offset) = from.unwrap_or_else(|| (new_id(), 0));
    shared.oplog.reset_to(end_offset);
    shared.oplog.activate_backlog();
    select(shared, db);
    shared.history.lock().adopt_full(id);
    shared.own_expiries.clear();
    let applied = &shared.role.applied_offset;
    applied.store(end_offset, Ordering::Release);
    drop_followers(shared);
}

/// The data is gone and with it the history.
pub fn lose_history(shared: &Shared, locked: &Locked) {
    adopt_full(shared, locked, None, None);
}

/// A first follower has come: from here on there is a backlog.
pub fn ensure_backlog(shared: &Shared, locker: &mut Locker) {
    if shared.oplog.backlog().is_some() {
        return;
    }
    let _everything = shared.keyspace.lock_everything(locker);
    if shared.oplog.activate_backlog() && !shared.role.is_follower() {
        let mut history = shared.history.lock();
        history.start_anew(new_id());
        backlog_created_line(&history).log();
    }
}

/// Gives the backlog up, and the history with it. False if there is none.
pub fn free_backlog(shared: &Shared, locker: &mut Locker) -> bool {
    let _everything = shared.keyspace.lock_everything(locker);
    let frees = shared.oplog.backlog().is_some()
        && shared.followers.is_empty()
        && !shared.role.is_follower();
    if frees {
        shared.oplog.free_backlog();
        shared.history.lock().start_anew(new_id());
    }
    frees
}

/// Ends the links of all followers: they come again and learn what has changed.
pub fn drop_followers(shared: &Shared) {
    for follower in shared.followers.all() {
        if let Some(client) = shared.clients.get(follower.client_id) {
            client.kill();
        }
    }
}

/// Notes what the stream has selected without adding to it.
pub fn select(shared: &Shared, db: Option<u32>) {
    shared.oplog.append_verbatim(&[], Audience::All, db);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::ReaderKind;
    use crate::shared::followers::Follower;
    use std::sync::Arc;

    const ID: ReplId = ReplId::from_hex([b'a'; 40]);

    fn server() -> (Shared, Locker) {
        let shared = Shared::for_test(1, 1);
        let locker = Locker::new(&shared.keyspace, 0);
        (shared, locker)
    }

    fn target() -> Target {
        Target {
            host: "10.0.0.7".to_owned(),
            port: 6379,
        }
    }

    fn restored() -> ReplFacts {
        ReplFacts {
            id: ID,
            offset: 500,
            stream_db: Some(3),
        }
    }

    #[test]
    fn a_leader_that_restarts_lets_only_those_continue_who_have_no_more() {
        let (shared, _) = server();
        restore(&shared, restored());
        let history = shared.history.lock().clone();
        assert_ne!(history.id(), ID);
        assert_eq!((history.second_id(), history.second_offset()), (ID, 501));
        assert!(shared.oplog.reader_after(500, ReaderKind::Follower).is_ok());
        assert!(
            shared
                .oplog
                .reader_after(499, ReaderKind::Follower)
                .is_err()
        );
        assert_eq!(shared.oplog.selected_db(), None);
    }

    #[test]
    fn a_follower_that_restarts_goes_on_under_its_leaders_id() {
        let (shared, mut locker) = server();
        follow(&shared, &mut locker, &target());
        assert!(shared.role.is_follower());
        assert_eq!(shared.config.leader().map(|leader| leader.port), Some(6379));
        restore(&shared, restored());
        assert_eq!(*shared.history.lock(), History::new(ID));
        assert_eq!(shared.oplog.end_offset(), 500);
        assert_eq!(shared.oplog.selected_db(), Some(3));
    }

    #[test]
    fn a_promotion_keeps_the_past_and_tells_followers() {
        let (shared, mut locker) = server();
        follow(&shared, &mut locker, &target());
        restore(&shared, restored());
        let id = shared.clients.next_id();
        let mut client = crate::shared::clients::ClientFacts::default();
        client.id = id;
        let client = Arc::new(client);
        shared.clients.add(client.clone());
        let follower = Follower::new(id, String::new(), 0, 0);
        shared.followers.add(Arc::new(follower));
        assert!(lead(&shared, &mut locker).is_some());
        assert!(lead(&shared, &mut locker).is_none());
        assert!(client.is_killed());
        let history = shared.history.lock().clone();
        assert_eq!((history.second_id(), history.second_offset()), (ID, 501));
        assert!(shared.config.leader().is_none());
        // The next record says for itself which database it is for.
        assert_eq!(shared.oplog.selected_db(), None);
    }

    #[test]
    fn a_history_ends_with_its_backlog_and_with_a_snapshot_of_another() {
        let (shared, mut locker) = server();
        ensure_backlog(&shared, &mut locker);
        let first = shared.history.lock().id();
        ensure_backlog(&shared, &mut locker);
        assert_eq!(shared.history.lock().id(), first);
        assert!(free_backlog(&shared, &mut locker));
        assert!(!free_backlog(&shared, &mut locker));
        assert_ne!(shared.history.lock().id(), first);
        follow(&shared, &mut locker, &target());
        let locked = shared.keyspace.lock_everything(&mut locker);
        adopt_full(&shared, &locked, Some((ID, 77)), Some(2));
        drop(locked);
        assert_eq!(*shared.history.lock(), History::new(ID));
        assert_eq!(shared.oplog.end_offset(), 77);
        assert_eq!(shared.oplog.selected_db(), Some(2));
        adopt_continue(&shared, &mut locker, Some(ReplId::from_hex([b'b'; 40])));
        assert_eq!(shared.history.lock().second_id(), ID);
        assert_eq!(shared.history.lock().second_offset(), 78);
        assert!(shared.role.is_link_up());
        lose_link(&shared, &mut locker);
        assert!(!shared.role.is_link_up());
    }
}
