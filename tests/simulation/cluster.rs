//! The servers of one run, who follows whom, and what is known to be true of their data.

use std::collections::BTreeSet;
use std::time::Duration;

use lockstep::base::rng::Rng;
use lockstep::oplog::ReplId;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::node::{Node, Plan, address};
use crate::wire::Net;
use crate::writes::{self, Command, DB_COUNT, DB_HALVES, DB_WAITED, command};

/// How long servers that are left in peace may take to agree.
const HEALS_WITHIN: Duration = Duration::from_secs(120);

const MS: Duration = Duration::from_millis(1);

/// What a run is like.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub backlog_bytes: u64,
    /// Largest random value.
    pub blob_bytes_max: u64,
    /// Whether servers may lose what they did not save. The backlog is large enough for
    /// everything where they don't, so nobody ever needs a second full sync.
    pub crashes: bool,
}

/// A folder, in memory where there is one: saves wait for the disk, and nothing here does.
fn folder() -> TempDir {
    let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new());
    folder.expect("a temporary folder")
}

/// What must be true of every server that has the leader's history.
#[derive(Default)]
pub struct Truth {
    /// The leader's id when it was last looked at.
    id: Option<ReplId>,
    /// The counter behind each end offset where it changed, in order.
    counts: Vec<(u64, u64)>,
    next: u64,
    /// Writes that a follower has acknowledged.
    waited: Vec<u64>,
    waited_offset: u64,
}

pub struct Cluster {
    pub net: Net,
    pub nodes: Vec<Option<Node>>,
    /// Who follows whom. What a node that is down will do.
    pub upstream: Vec<Option<usize>>,
    pub leader: usize,
    /// Who has crashed and was not seen with all that was waited for since.
    forgetful: BTreeSet<usize>,
    pub rng: Rng,
    pub profile: Profile,
    pub truth: Truth,
    dirs: TempDir,
    /// Full syncs of nodes that have ended.
    past_full_syncs: u64,
    /// How many full syncs there were when everybody was in sync; None when something has
    /// happened since after which there may be more.
    pub full_syncs_allowed: Option<u64>,
    /// What was done, for who looks into a failure.
    pub loud: bool,
    began: Instant,
}

impl Cluster {
    pub fn new(seed: u64, profile: Profile, loud: bool) -> Cluster {
        let mut rng = Rng::seeded(seed);
        let mut cluster = Cluster {
            net: Net::new(rng.next_u64()),
            nodes: Vec::new(),
            upstream: vec![None, Some(0), Some(0), Some(rng.below(3) as usize)],
            leader: 0,
            forgetful: BTreeSet::new(),
            rng,
            profile,
            truth: Truth::default(),
            dirs: folder(),
            past_full_syncs: 0,
            full_syncs_allowed: None,
            loud,
            began: Instant::now(),
        };
        for id in 0..cluster.upstream.len() {
            cluster.nodes.push(None);
            cluster.start(id);
        }
        cluster
    }

    pub fn tell(&self, what: impl FnOnce() -> String) {
        if self.loud {
            let ms = self.began.elapsed().as_millis();
            eprintln!("---- {ms:>6} ms: {}", what());
        }
    }

    // ---- servers come and go ----

    pub fn start(&mut self, id: usize) {
        let dir = self.dirs.path().join(id.to_string());
        std::fs::create_dir_all(&dir).expect("a folder");
        let plan = Plan {
            id,
            dir: &dir,
            leader: self.upstream[id],
            backlog_bytes: self.profile.backlog_bytes,
            seed: self.rng.next_u64(),
        };
        let mut node = Node::start(&plan, &self.net);
        node.set("rdbcompression", "no");
        if self.rng.below(4) == 0 {
            node.set("repl-diskless-sync", "no");
        }
        if self.rng.below(4) == 0 {
            node.set("repl-diskless-load", "swapdb");
        }
        if self.rng.below(2) == 0 {
            node.slow_snapshots(100 + self.rng.below(5000));
        }
        self.tell(|| format!("node {id} starts at {}", node.end_offset()));
        self.nodes[id] = Some(node);
    }

    /// Ends a node, with a save if `saves`.
    pub async fn stop(&mut self, id: usize, saves: bool) {
        let Some(mut node) = self.nodes[id].take() else {
            return;
        };
        self.tell(|| format!("node {id} stops at {}, saves: {saves}", node.end_offset()));
        if saves && !node.is_loading() {
            node.save();
        } else {
            self.forgetful.insert(id);
        }
        self.past_full_syncs += node.full_syncs();
        node.kill().await;
    }

    /// REPLICAOF. False if the node did not get to it.
    pub async fn replica_of(&mut self, id: usize, upstream: Option<usize>) -> bool {
        self.tell(|| format!("node {id} is to follow {upstream:?}"));
        let Some(node) = &self.nodes[id] else {
            return false;
        };
        let done = node
            .replication
            .replica_of(upstream.map(address), "a client");
        let done = timeout(Duration::from_secs(60), done).await;
        let answer = done.expect("a node that answers").expect("an answer");
        assert!(answer.starts_with("OK"), "{answer}");
        self.upstream[id] = upstream;
        true
    }

    /// Whether `id` gets its data through `above`.
    pub fn is_below(&self, id: usize, above: usize) -> bool {
        let mut at = Some(id);
        while let Some(node) = at {
            if node == above {
                return true;
            }
            at = self.upstream[node];
        }
        false
    }

    pub fn full_syncs(&self) -> u64 {
        let present: u64 = self.nodes.iter().flatten().map(Node::full_syncs).sum();
        self.past_full_syncs + present
    }

    /// Looks whether everybody can still go on without a full sync.
    pub fn note_change(&mut self) {
        if !self.all_can_continue() {
            self.allow_full_syncs();
        }
    }

    fn all_can_continue(&self) -> bool {
        (0..self.nodes.len()).all(|id| {
            let Some(above) = self.upstream[id] else {
                return true;
            };
            let (Some(node), Some(above)) = (&self.nodes[id], &self.nodes[above]) else {
                return false;
            };
            let (history, ours) = (above.history(), node.history().id());
            let next = node.end_offset() + 1;
            let backlog = above.engine.shared.oplog.backlog();
            let holds = backlog
                .is_some_and(|held| (held.first_offset..=held.end_offset + 1).contains(&next));
            holds && history.can_continue(ours.as_bytes(), next as i64).is_ok()
        })
    }

    // ---- what is true ----

    /// Runs commands on the leader, and counts them.
    pub fn write(&mut self, mut commands: Vec<Command>) {
        let leader = self.nodes[self.leader].as_mut();
        let Some(leader) = leader else {
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
            command(&format!("SET waited:{n} {n}")),
        ]);
        let Some(leader) = &self.nodes[self.leader] else {
            return;
        };
        let end = leader.end_offset();
        if leader.engine.shared.oplog.backlog().is_none() {
            return;
        }
        let engine = leader.engine.clone();
        engine.shared.followers.wants_ack.notify_one();
        for _ in 0..30 {
            if engine.shared.followers.acked(end) > 0 {
                self.tell(|| format!("somebody has {end}, waited:{n}"));
                self.truth.waited.push(n);
                self.truth.waited_offset = end;
                return;
            }
            sleep(MS * 7).await;
        }
    }

    /// A follower of the leader that has acknowledged everything that was waited for.
    pub fn successor(&mut self) -> Option<usize> {
        let leader = self.nodes[self.leader].as_ref()?;
        let followers = leader.engine.shared.followers.all();
        let has_all = |id: &usize| {
            let (_, port) = address(*id);
            let offset = self.truth.waited_offset;
            followers.iter().any(|follower| {
                let acked = &follower.acked_offset;
                follower.port == port
                    && self.nodes[*id].is_some()
                    && !self.forgetful.contains(id)
                    && acked.load(std::sync::atomic::Ordering::Relaxed) >= offset.max(1)
            })
        };
        let all: Vec<usize> = (0..self.nodes.len()).filter(has_all).collect();
        let drawn = self.rng.below(all.len().max(1) as u64) as usize;
        all.get(drawn).copied()
    }

    /// `id` leads from here on; what was written behind `end` is lost. What was waited for
    /// must be there if `keeps`.
    pub fn new_leader(&mut self, id: usize, end: u64, keeps: bool) {
        self.note_succession(id, end);
        self.leader = id;
        let node = self.nodes[id].as_mut().expect("the leader is up");
        let waited = &mut self.truth.waited;
        if keeps {
            self.truth.counts.retain(|(offset, _)| *offset <= end);
            for n in waited {
                let found = node.get(DB_WAITED, &format!("waited:{n}"));
                assert!(found.is_some(), "waited:{n} is lost by node {id} at {end}");
            }
        } else {
            let count = node.get(DB_COUNT, "count");
            self.truth.counts.clear();
            if let Some(count) = count.and_then(|count| String::from_utf8(count).ok()) {
                self.truth
                    .counts
                    .push((end, count.parse().expect("a number")));
            }
            waited.retain(|n| node.get(DB_WAITED, &format!("waited:{n}")).is_some());
            self.truth.waited_offset = 0;
        }
        self.check();
    }

    /// A server knows two ids: who has not heard of the last change of leader, or has what
    /// the new one lacks, starts over.
    fn note_succession(&mut self, id: usize, end: u64) {
        let all_continue = self.nodes.iter().enumerate().all(|(at, node)| {
            let shares = |node: &Node| {
                let ours = Some(node.history().id());
                ours == self.truth.id && node.end_offset() <= end
            };
            at == id || node.as_ref().is_some_and(shares)
        });
        if !all_continue {
            self.allow_full_syncs();
        }
    }

    fn allow_full_syncs(&mut self) {
        if self.full_syncs_allowed.take().is_some() {
            self.tell(|| "from here on there may be full syncs".to_owned());
        }
    }

    /// Looks at every server as it is, in the middle of everything.
    pub fn check(&mut self) {
        let leader = self.nodes[self.leader].as_ref();
        self.truth.id = leader.map(|leader| leader.history().id());
        let leader_id = self.truth.id;
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
            if end >= self.truth.waited_offset {
                self.forgetful.remove(&id);
            }
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
        if let Some(allowed) = self.full_syncs_allowed {
            assert_eq!(self.full_syncs(), allowed, "a full sync that need not be");
        }
    }

    // ---- the end ----

    /// Waits until all are in sync.
    pub async fn settle(&mut self) {
        let began = Instant::now();
        while !self.is_settled() {
            self.check();
            assert!(began.elapsed() < HEALS_WITHIN, "{}", self.describe());
            sleep(MS * 7).await;
        }
        self.tell(|| "all are in sync".to_owned());
        self.check();
    }

    fn is_settled(&self) -> bool {
        let Some(leader) = &self.nodes[self.leader] else {
            return false;
        };
        let (end, id) = (leader.end_offset(), leader.history().id());
        (0..self.nodes.len()).all(|at| {
            self.nodes[at].as_ref().is_some_and(|node| {
                let is_up = at == self.leader || node.is_link_up() && !node.is_loading();
                is_up && node.end_offset() == end && node.history().id() == id
            })
        })
    }

    /// All have the same data.
    pub fn compare(&mut self) {
        let leader = self.nodes[self.leader].as_mut().expect("the leader is up");
        let expected = leader.contents();
        for n in &self.truth.waited {
            let found = leader.get(DB_WAITED, &format!("waited:{n}"));
            assert!(found.is_some(), "waited:{n} is lost");
        }
        for (id, node) in self.nodes.iter_mut().enumerate() {
            let found = node.as_mut().expect("all are up").contents();
            if found == expected {
                continue;
            }
            let lacks: Vec<_> = expected.iter().filter(|of| !found.contains(of)).collect();
            let has: Vec<_> = found.iter().filter(|of| !expected.contains(of)).collect();
            let short = |of: &(u32, Vec<u8>, Vec<u8>, Option<i64>)| {
                let (db, key, value, expire_at_ms) = of;
                let value = value[..value.len().min(20)].escape_ascii();
                format!("{db}:{}={value} {expire_at_ms:?}", key.escape_ascii())
            };
            let lacks: Vec<_> = lacks.into_iter().map(short).collect();
            let has: Vec<_> = has.into_iter().map(short).collect();
            panic!("node {id} lacks {lacks:#?} and has {has:#?}");
        }
    }

    fn describe(&self) -> String {
        let mut text = "they do not get in sync:".to_owned();
        for (id, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else {
                text.push_str(&format!("\n{id} is down"));
                continue;
            };
            let link = node.engine.shared.role.link.lock().phase.name();
            text.push_str(&format!(
                "\n{id} follows {:?}, link {link}, loading {}, at {} of {:?}",
                self.upstream[id],
                node.is_loading(),
                node.end_offset(),
                node.history(),
            ));
        }
        text
    }

    /// Some random commands of one client, one database after the other.
    pub fn write_some(&mut self) {
        let mut commands = Vec::new();
        let blob_bytes_max = self.profile.blob_bytes_max;
        for _ in 0..1 + self.rng.below(4) {
            commands.push(writes::select(&mut self.rng));
            for _ in 0..self.rng.below(6) {
                commands.push(writes::any(&mut self.rng, blob_bytes_max));
            }
            if self.rng.below(30) == 0 {
                commands.push(writes::on_databases(&mut self.rng));
            }
            if self.rng.below(4) == 0 {
                let n = self.truth.next;
                commands.extend(writes::transaction(&mut self.rng, n, blob_bytes_max));
            }
        }
        self.write(commands);
    }
}
