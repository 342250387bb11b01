//! What happens to the cluster, and when.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use lockstep::base::rng::Rng;
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, Profile};
use crate::node::address;
use crate::writes::{self, command};

const STEPS: u64 = 150;

const MS: Duration = Duration::from_millis(1);

/// What ends by itself.
pub enum Later {
    Start(usize),
    Release((usize, usize)),
    Thaw(usize),
}

pub struct Schedule {
    pub cluster: Cluster,
    later: Vec<(Instant, Later)>,
}

/// Runs one schedule to its end; returns a digest of what became of it.
pub async fn run(seed: u64, loud: bool) -> u64 {
    let mut rng = Rng::seeded(seed);
    let crashes = rng.below(2) == 0;
    let profile = Profile {
        backlog_bytes: if crashes { 16 << 10 } else { 64 << 20 },
        blob_bytes_max: 1 << (4 + rng.below(9)),
        crashes,
    };
    let mut schedule = Schedule {
        cluster: Cluster::new(rng.next_u64(), profile, loud),
        later: Vec::new(),
    };
    schedule.cluster.tell(|| format!("{profile:?}"));
    for _ in 0..rng.below(10) {
        schedule.cluster.write_some();
    }
    if !crashes {
        schedule.cluster.settle().await;
        schedule.cluster.full_syncs_allowed = Some(schedule.cluster.full_syncs());
    }
    for _ in 0..STEPS {
        schedule.step().await;
    }
    schedule.heal();
    let cluster = &mut schedule.cluster;
    cluster.settle().await;
    cluster.compare();
    let mut digest = DefaultHasher::new();
    let leader = cluster.nodes[cluster.leader].as_mut();
    leader
        .map(|leader| (leader.end_offset(), leader.contents()))
        .hash(&mut digest);
    for node in cluster.nodes.drain(..).flatten() {
        node.kill().await;
    }
    digest.finish()
}

impl Schedule {
    async fn step(&mut self) {
        self.do_due();
        match self.draw(100) {
            0..40 => self.cluster.write_some(),
            40..50 => self.cluster.write_and_wait().await,
            50..65 => self.cut(),
            65..69 => self.hold(),
            69..72 => self.hang(),
            72..75 => self.slow_down(),
            75..77 => self.delay(),
            77..82 => self.restart_follower().await,
            82..84 => self.restart_leader().await,
            84 => self.restart_all().await,
            85..88 => self.promote().await,
            88..90 => self.replace_leader().await,
            90..92 => self.hand_over().await,
            92..95 => self.point_elsewhere().await,
            95..97 => self.save(),
            _ => self.read_followers(),
        }
        self.cluster.check();
        let ms = match self.draw(4) {
            0 => 0,
            1 => self.draw(10),
            2 => self.draw(100),
            _ => self.draw(500),
        };
        sleep(MS * ms as u32).await;
        self.cluster.check();
    }

    pub fn draw(&mut self, below: u64) -> u64 {
        self.cluster.rng.below(below)
    }

    pub fn do_due(&mut self) {
        let now = Instant::now();
        let mut at = 0;
        while at < self.later.len() {
            if self.later[at].0 > now {
                at += 1;
                continue;
            }
            match self.later.remove(at).1 {
                Later::Start(id) => self.start(id),
                Later::Release(pair) => self.cluster.net.hold(pair, false),
                Later::Thaw(id) => self.thaw(id),
            }
        }
    }

    /// Does this after so many milliseconds.
    pub fn plan(&mut self, ms: u64, later: Later) {
        self.later.push((Instant::now() + MS * ms as u32, later));
    }

    fn thaw(&mut self, id: usize) {
        let Some(node) = &self.cluster.nodes[id] else {
            return;
        };
        node.freeze(false);
        if let Some(above) = self.cluster.upstream[id]
            && !node.engine.shared.role.is_follower()
        {
            // Another leads by now. It hears of that as soon as it listens again.
            let heard = node
                .replication
                .replica_of(Some(address(above)), "a client");
            drop(heard);
        }
    }

    fn start(&mut self, id: usize) {
        if self.cluster.nodes[id].is_none() {
            self.cluster.start(id);
        }
    }

    fn heal(&mut self) {
        self.cluster.tell(|| "all is well again".to_owned());
        self.cluster.net.heal();
        self.later.clear();
        for id in 0..self.cluster.nodes.len() {
            self.start(id);
            self.thaw(id);
        }
    }

    pub fn follower(&mut self) -> usize {
        loop {
            let id = self.draw(self.cluster.nodes.len() as u64) as usize;
            if id != self.cluster.leader {
                return id;
            }
        }
    }

    fn pair(&mut self) -> (usize, usize) {
        let follower = self.follower();
        let above = self.cluster.upstream[follower];
        (follower, above.expect("only the leader leads"))
    }

    // ---- the network ----

    fn cut(&mut self) {
        let pair = self.pair();
        let direction = usize::from(self.draw(3) > 0);
        let bytes = match self.draw(3) {
            0 => self.draw(20),
            1 => self.draw(300),
            _ => self.draw(20_000),
        };
        let text = format!("cut {pair:?} in direction {direction} after {bytes} bytes");
        self.cluster.tell(|| text);
        self.cluster.net.cut(pair, direction, bytes as usize);
    }

    fn hold(&mut self) {
        let pair = self.pair();
        let ms = 50 + self.draw(9000);
        self.cluster.tell(|| format!("hold {pair:?} for {ms} ms"));
        self.cluster.net.hold(pair, true);
        self.plan(ms, Later::Release(pair));
    }

    /// Everything takes longer on its way, as between continents.
    fn delay(&mut self) {
        let pair = self.pair();
        let ms = self.draw(400);
        self.cluster
            .tell(|| format!("{pair:?}: {ms} ms of latency"));
        self.cluster.net.delay(pair, ms);
    }

    fn slow_down(&mut self) {
        let pair = self.pair();
        let bytes_per_ms = 1 + self.draw(50) as usize;
        self.cluster
            .tell(|| format!("{pair:?}: {bytes_per_ms} bytes/ms"));
        self.cluster.net.pace(pair, bytes_per_ms);
    }

    // ---- servers ----

    /// A server stands still, and nobody is told.
    fn hang(&mut self) {
        let id = self.draw(self.cluster.nodes.len() as u64) as usize;
        let ms = 50 + self.draw(9000);
        if let Some(node) = &self.cluster.nodes[id] {
            self.cluster.tell(|| format!("node {id} hangs for {ms} ms"));
            node.freeze(true);
            self.plan(ms, Later::Thaw(id));
        }
    }

    async fn restart_follower(&mut self) {
        let id = self.follower();
        let saves = !self.cluster.profile.crashes || self.draw(2) == 0;
        self.cluster.stop(id, saves).await;
        let at_once = !self.cluster.profile.crashes || self.draw(2) == 0;
        if at_once {
            self.start(id);
        } else {
            let ms = self.draw(3000);
            self.plan(ms, Later::Start(id));
        }
        self.cluster.note_change();
    }

    async fn restart_leader(&mut self) {
        let id = self.cluster.leader;
        let saves = !self.cluster.profile.crashes || self.draw(3) > 0;
        self.cluster.stop(id, saves).await;
        let ms = self.draw(3000);
        sleep(MS * ms as u32).await;
        self.cluster.start(id);
        self.cluster.new_leader(id, saves);
        self.cluster.note_change();
    }

    /// All go down and come back in any order.
    async fn restart_all(&mut self) {
        let leader = self.cluster.leader;
        let mut saved = false;
        let mut order: Vec<usize> = (0..self.cluster.nodes.len()).collect();
        shuffle(&mut order, &mut self.cluster.rng);
        for id in order.clone() {
            let saves = !self.cluster.profile.crashes || self.draw(2) == 0;
            self.cluster.stop(id, saves).await;
            saved |= saves && id == leader;
        }
        // No backlog outlives its server: who lacks something starts over.
        self.cluster.note_change();
        shuffle(&mut order, &mut self.cluster.rng);
        for id in order {
            self.start(id);
            if id == leader {
                self.cluster.new_leader(id, saved);
            }
            let ms = self.draw(1000);
            sleep(MS * ms as u32).await;
        }
        self.cluster.note_change();
    }

    async fn point_elsewhere(&mut self) {
        let id = self.follower();
        let above = self.draw(self.cluster.nodes.len() as u64) as usize;
        if !self.cluster.is_below(above, id) {
            self.cluster.replica_of(id, Some(above)).await;
            self.cluster.note_change();
        }
    }

    fn save(&mut self) {
        let id = self.draw(self.cluster.nodes.len() as u64) as usize;
        let node = self.cluster.nodes[id].as_mut();
        if let Some(node) = node.filter(|node| node.serves()) {
            let saved = node.save();
            let end = node.end_offset();
            self.cluster
                .tell(|| format!("node {id} saves at {end}: {saved}"));
        }
    }

    /// Reads of what is due must not change a follower, and writes are refused.
    fn read_followers(&mut self) {
        let id = self.follower();
        let commands = [
            writes::select(&mut self.cluster.rng),
            command("GET key:1"),
            command("GETEX key:2 PX 1"),
            command("DBSIZE"),
            command("SET key:3 x"),
            command("EXISTS key:4 key:5 key:6"),
        ];
        let node = self.cluster.nodes[id].as_mut();
        if let Some(node) = node.filter(|node| !node.is_frozen()) {
            node.run(&commands);
        }
    }
}

fn shuffle(all: &mut [usize], rng: &mut Rng) {
    for at in (1..all.len()).rev() {
        all.swap(at, rng.below(at as u64 + 1) as usize);
    }
}
