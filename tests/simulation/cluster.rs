//! The servers of one run, who follows whom, and what is known to be true of their data.

use std::time::Duration;

use lockstep::base::rng::Rng;
use lockstep::oplog::History;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::judge::{Truth, is_part_of};
use crate::node::{Node, Plan, address};
use crate::wire::Net;
use crate::writes;

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

pub struct Cluster {
    pub net: Net,
    pub nodes: Vec<Option<Node>>,
    /// Who follows whom. What a node that is down will do.
    pub upstream: Vec<Option<usize>>,
    pub leader: usize,
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

/// Who follows whom at first: somebody who came before.
fn tree(rng: &mut Rng) -> Vec<Option<usize>> {
    let count = 2 + rng.below(4);
    let above = |id: u64, rng: &mut Rng| match rng.below(2) {
        0 => 0,
        _ => rng.below(id) as usize,
    };
    let followers = (1..count).map(|id| Some(above(id, rng)));
    std::iter::once(None).chain(followers).collect()
}

impl Cluster {
    pub fn new(seed: u64, profile: Profile, loud: bool) -> Cluster {
        let mut rng = Rng::seeded(seed);
        let mut cluster = Cluster {
            net: Net::new(rng.next_u64()),
            nodes: Vec::new(),
            upstream: tree(&mut rng),
            leader: 0,
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
        if self.profile.crashes && self.rng.below(4) == 0 {
            node.set("client-output-buffer-limit", "replica 100kb 50kb 1");
        }
        if self.rng.below(2) == 0 {
            node.slow_snapshots(100 + self.rng.below(5000));
        }
        self.tell(|| format!("node {id} starts at {}", node.end_offset()));
        self.nodes[id] = Some(node);
    }

    /// Ends a node, with a save if `saves`. Whether it has what it had when it comes back.
    pub async fn stop(&mut self, id: usize, saves: bool) -> bool {
        let Some(mut node) = self.nodes[id].take() else {
            return false;
        };
        self.tell(|| format!("node {id} stops at {}, saves: {saves}", node.end_offset()));
        self.past_full_syncs += node.full_syncs();
        let saves = saves && !node.is_loading() && node.save();
        node.kill().await;
        // What a leader has lost is known when it comes back.
        if !saves && id != self.leader {
            self.forgets(id);
        }
        saves
    }

    /// REPLICAOF. False if the node did not get to it.
    pub async fn replica_of(&mut self, id: usize, upstream: Option<usize>) -> bool {
        self.tell(|| format!("node {id} is to follow {upstream:?}"));
        let node = self.nodes[id].as_ref();
        let Some(node) = node.filter(|node| !node.is_frozen()) else {
            return false;
        };
        let done = node
            .replication
            .replica_of(upstream.map(address), "a client");
        self.upstream[id] = upstream;
        self.note_keepers();
        let done = timeout(Duration::from_secs(60), done).await;
        let answer = done.expect("a node that answers").expect("an answer");
        assert!(answer.is_ok(), "{answer:?}");
        true
    }

    /// One that is down or hangs does so when it hears of it.
    pub fn will_follow(&mut self, id: usize, upstream: usize) {
        self.upstream[id] = Some(upstream);
        self.note_keepers();
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
            let next = node.end_offset() + 1;
            let backlog = above.engine.shared.oplog.backlog();
            let holds = backlog
                .is_some_and(|held| (held.first_offset..=held.end_offset + 1).contains(&next));
            holds && is_part_of(&above.history(), node)
        })
    }

    /// A server knows two ids: who has not heard of the last change of leader, or has what
    /// the new one lacks, starts over. So may an old leader that hangs: when it goes on, it
    /// goes on with its log too, until it hears that it does not lead any more.
    pub fn note_succession(&mut self, id: usize, end: u64) {
        let known = self.truth.history.as_ref().map(History::id);
        let all_continue = self.nodes.iter().enumerate().all(|(at, node)| {
            let shares =
                |node: &Node| Some(node.history().id()) == known && node.end_offset() <= end;
            let goes_on = |node: &Node| at == self.leader && node.is_frozen();
            let stays = |node: &&Node| !goes_on(node);
            at == id || node.as_ref().filter(stays).is_some_and(shares)
        });
        if !all_continue {
            self.allow_full_syncs();
        }
    }

    pub fn allow_full_syncs(&mut self) {
        if self.full_syncs_allowed.take().is_some() {
            self.tell(|| "from here on there may be full syncs".to_owned());
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
