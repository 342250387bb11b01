//! What must be true of the servers' data, whatever happens to them.
//!
//! A counter of the leader's writes is checked wherever a server is: it must have the value
//! that belongs to the server's offset. What WAIT promised is a matter of who may lose what:
//!
//! - A server *keeps* what was waited for once it was seen with it in the stream of a server
//!   that keeps it (the leader does). A client was told of a follower that has its write: that
//!   follower is one of them, at the moment it is counted.
//! - It may lose it again by a crash, as Redis does without an append-only file, or by the will
//!   of who makes it follow a server that does not keep it: that one's data takes the place of
//!   its own. Nothing else is an excuse.
//! - Whoever keeps it can be promoted, and nothing that was waited for is lost. Who does not
//!   keep it can be promoted too, and exactly what lies behind its offset is lost.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lockstep::oplog::History;
use lockstep::shared::followers::FollowerPhase;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::node::{Content, Node, address};
use crate::writes::{Command, DB_COUNT, DB_HALVES, DB_WAITED, command};

/// How often, and for how long in all, WAIT looks for acknowledgements.
const LOOK_EVERY: Duration = Duration::from_millis(7);
const LOOKS: u32 = 30;

/// What is known of the leader's history and of who has it.
#[derive(Default)]
pub struct Truth {
    /// The leader's, when it was last looked at.
    pub history: Option<History>,
    /// The counter behind each end offset where it changed, in order.
    counts: Vec<(u64, u64)>,
    pub next: u64,
    /// Writes that a follower has acknowledged, and the end offset of each.
    waited: Vec<(u64, u64)>,
    /// Servers that must not lose any of them.
    keepers: BTreeSet<usize>,
}

/// The key of a write that is waited for.
fn waited_key(n: u64) -> String {
    format!("waited:{n}")
}

impl Cluster {
    // ---- writes ----

    /// Runs commands on the leader, and counts them.
    pub fn write(&mut self, mut commands: Vec<Command>) {
        let leader = self.nodes[self.leader].as_mut();
        let Some(leader) = leader.filter(|leader| leader.serves()) else {
            return;
        };
        self.truth.next += 1;
        let count = self.truth.next;
        commands.push(command(&format!("SELECT {DB_COUNT}")));
        commands.push(command(&format!("SET count {count}")));
        leader.run(&commands);
        let end = leader.end_offset();
        let counts = &mut self.truth.counts;
        while counts.last().is_some_and(|(offset, _)| *offset >= end) {
            counts.pop();
        }
        counts.push((end, count));
    }

    /// As a client that writes and waits for a follower to have it.
    pub async fn write_and_wait(&mut self) {
        let n = self.truth.next;
        self.write(vec![
            command(&format!("SELECT {DB_WAITED}")),
            command(&format!("SET {} {n}", waited_key(n))),
        ]);
        let leader = self.nodes[self.leader].as_ref();
        let Some(leader) = leader.filter(|leader| leader.serves()) else {
            return;
        };
        let end = leader.end_offset();
        if leader.engine.shared.oplog.backlog().is_none() {
            return;
        }
        let engine = leader.engine.clone();
        engine.shared.followers.wants_ack.notify_one();
        for _ in 0..LOOKS {
            if engine.shared.followers.acked(end) > 0 {
                self.note_waited(end, n);
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Followers have said that they have the write: they must have it.
    fn note_waited(&mut self, end: u64, n: u64) {
        let leader = self.nodes[self.leader].as_ref().expect("it was waited for");
        let mut counted = Vec::new();
        for follower in leader.engine.shared.followers.all() {
            let acked = follower.acked_offset.load(Ordering::Relaxed);
            if follower.phase() == FollowerPhase::Online && acked >= end {
                let is_it = |id: &usize| address(*id).1 == follower.port;
                counted.extend((0..self.nodes.len()).find(is_it));
            }
        }
        self.tell(|| format!("{counted:?} have {end}, {}", waited_key(n)));
        assert!(!counted.is_empty(), "followers that are none of ours");
        for id in &counted {
            let node = self.nodes[*id].as_mut();
            let found = node.and_then(|node| node.get(DB_WAITED, &waited_key(n)));
            assert!(found.is_some(), "node {id} lacks what it acknowledged");
        }
        let truth = &mut self.truth;
        truth.waited.push((end, n));
        truth.keepers.clear();
        truth.keepers.insert(self.leader);
        truth.keepers.extend(counted);
    }

    // ---- successions ----

    /// A server that lost what it did not save keeps nothing.
    pub fn forgets(&mut self, id: usize) {
        self.truth.keepers.remove(&id);
        self.note_keepers();
    }

    /// Followers that have everything that was waited for.
    pub fn successors(&self) -> Vec<usize> {
        let is_one = |id: &usize| {
            let node = self.nodes[*id].as_ref();
            *id != self.leader && node.is_some_and(Node::serves)
        };
        let keepers = self.truth.keepers.iter().copied();
        keepers.filter(is_one).collect()
    }

    /// `id` leads from here on, by a promotion or after a restart: what it had then it has
    /// under its second id. All that was waited for must be there if `keeps_all`.
    pub fn new_leader(&mut self, id: usize, keeps_all: bool) {
        let node = self.nodes[id].as_mut().expect("the leader is up");
        let (past, next) = (node.history().second_id(), node.history().second_offset());
        let end = next.max(1) as u64 - 1;
        let before = self.truth.history.as_ref();
        let shares = before
            .is_some_and(|before| next > 0 && before.can_continue(past.as_bytes(), next).is_ok());
        let truth = &mut self.truth;
        if shares {
            truth.counts.retain(|(offset, _)| *offset <= end);
        } else {
            truth.counts.clear();
            let count = node.get(DB_COUNT, "count");
            let count = count.and_then(|count| String::from_utf8(count).ok());
            let count = count.and_then(|count| count.parse().ok());
            truth.counts.extend(count.map(|count| (end, count)));
        }
        truth.waited.retain(|(offset, n)| {
            let found = node.get(DB_WAITED, &waited_key(*n)).is_some();
            let must = keeps_all || shares && *offset <= end;
            assert!(found || !must, "node {id} at {end} lost {}", waited_key(*n));
            found
        });
        truth.keepers.insert(id);
        self.note_succession(id, end);
        self.leader = id;
        self.check();
    }

    // ---- looking ----

    /// Looks at every server as it is, in the middle of everything.
    pub fn check(&mut self) {
        if let Some(leader) = &self.nodes[self.leader] {
            self.truth.history = Some(leader.history());
        }
        let leader_id = self.truth.history.as_ref().map(History::id);
        for (id, node) in self.nodes.iter_mut().enumerate() {
            let Some(node) = node.as_mut().filter(|node| !node.is_loading()) else {
                continue;
            };
            let [first, second] = DB_HALVES.map(|db| node.get(db, "half"));
            assert_eq!(first, second, "node {id} shows half of a transaction");
            if leader_id != Some(node.history().id()) {
                continue;
            }
            let end = node.end_offset();
            let counts = &self.truth.counts;
            let known = counts.iter().rev().find(|(offset, _)| *offset <= end);
            if let Some((offset, count)) = known {
                let found = node.get(DB_COUNT, "count");
                let expected = count.to_string().into_bytes();
                assert!(
                    found.as_deref() == Some(&expected[..]),
                    "node {id} at {end}: count is {count} since {offset}, but found {}",
                    found.unwrap_or_default().escape_ascii()
                );
            }
        }
        self.note_keepers();
        if let Some(allowed) = self.full_syncs_allowed {
            assert_eq!(self.full_syncs(), allowed, "a full sync that need not be");
        }
    }

    /// Looks who keeps what was waited for, from the leader down: who follows one that does
    /// not will get its data. What is written in order is there in order, so the last write
    /// stands for all.
    pub fn note_keepers(&mut self) {
        let last = self.truth.waited.last().map(|(_, n)| waited_key(*n));
        for id in self.leader_first() {
            let above = self.upstream[id].unwrap_or(id);
            let keepers = &mut self.truth.keepers;
            if above != id && !keepers.contains(&above) {
                keepers.remove(&id);
                continue;
            }
            let node = self.nodes[id].as_mut();
            let Some(node) = node.filter(|node| !node.is_loading()) else {
                continue;
            };
            let has_last = match &last {
                Some(key) => node.get(DB_WAITED, key).is_some(),
                None => true,
            };
            assert!(
                has_last || !keepers.contains(&id),
                "node {id} lost {last:?}, at {} of {:?}",
                node.end_offset(),
                node.history()
            );
            // A snapshot under way may be older than what the server above has by now.
            if has_last && (node.is_link_up() || id == self.leader) {
                keepers.insert(id);
            }
        }
    }

    fn leader_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|id| self.depth(*id));
        order
    }

    fn depth(&self, id: usize) -> usize {
        self.upstream[id].map_or(0, |above| 1 + self.depth(above))
    }

    /// All have the same data.
    pub fn compare(&mut self) {
        let leader = self.nodes[self.leader].as_mut().expect("the leader is up");
        let expected = leader.contents();
        for (_, n) in &self.truth.waited {
            let key = waited_key(*n);
            assert!(leader.get(DB_WAITED, &key).is_some(), "{key} is lost");
        }
        for (id, node) in self.nodes.iter_mut().enumerate() {
            let found = node.as_mut().expect("all are up").contents();
            if found != expected {
                let lacks = missing(&expected, &found);
                let has = missing(&found, &expected);
                panic!("node {id} lacks {lacks:#?} and has {has:#?}");
            }
        }
    }
}

/// Whether `node` is where `history` was or is.
pub fn is_part_of(history: &History, node: &Node) -> bool {
    let (id, next) = (node.history().id(), node.end_offset() + 1);
    history.can_continue(id.as_bytes(), next as i64).is_ok()
}

/// What of `these` is not in `those`, short enough to be read.
fn missing(these: &[Content], those: &[Content]) -> Vec<String> {
    let short = |of: &&Content| {
        let (db, key, value, expire_at_ms) = of;
        let value = value[..value.len().min(20)].escape_ascii();
        format!("{db}:{}={value} {expire_at_ms:?}", key.escape_ascii())
    };
    let all = these.iter().filter(|of| !those.contains(of));
    all.map(|of| short(&of)).collect()
}
