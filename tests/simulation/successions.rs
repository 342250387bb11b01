//! One server leads after another: promotions, as an operator or Sentinel makes them, and
//! FAILOVER.

use std::sync::Arc;
use std::time::Duration;

use lockstep::commands::cx::Failover;
use lockstep::oplog::History;
use lockstep::shared::followers::{Follower, FollowerPhase};
use lockstep::shared::role::FailoverPhase;
use tokio::time::{Instant, sleep};

use crate::node::{address, follower_address, node_at};
use crate::schedule::{Later, Schedule};
use crate::writes::{self, command};

const MS: Duration = Duration::from_millis(1);

impl Schedule {
    /// A follower takes over: mostly one that has all that was waited for. The old leader
    /// goes on for a while, then follows it; so do some of the others.
    pub async fn promote(&mut self) {
        let careful = !self.cluster.profile.crashes || self.draw(6) > 0;
        let drawn = match careful {
            true => self.draw_successor(),
            false => Some(self.follower()),
        };
        let Some(id) = drawn else {
            return;
        };
        let old = self.cluster.leader;
        if !self.cluster.replica_of(id, None).await {
            return;
        }
        self.cluster.new_leader(id, careful);
        if self.draw(2) == 0 {
            self.write_to_old(old);
        }
        self.cluster.write_some();
        let ms = self.draw(100);
        sleep(MS * ms as u32).await;
        if !self.cluster.replica_of(old, Some(id)).await {
            self.cluster.will_follow(old, id);
        }
        self.point_some_at(id).await;
    }

    async fn point_some_at(&mut self, leader: usize) {
        for other in 0..self.cluster.nodes.len() {
            let is_elsewhere = other != leader && self.cluster.upstream[other] != Some(leader);
            if is_elsewhere && self.draw(2) == 0 {
                self.cluster.replica_of(other, Some(leader)).await;
            }
        }
        self.cluster.note_change();
    }

    /// The leader ends, and a follower that has all that was waited for takes over, as
    /// Sentinel does it. The old leader comes back as a follower.
    pub async fn replace_leader(&mut self) {
        let old = self.cluster.leader;
        let saves = !self.cluster.profile.crashes || self.draw(3) == 0;
        let saves = self.cluster.stop(old, saves).await;
        let ms = self.draw(3000);
        sleep(MS * ms as u32).await;
        let promoted = match self.draw_successor() {
            Some(id) if self.cluster.replica_of(id, None).await => id,
            _ => {
                self.cluster.start(old);
                self.cluster.new_leader(old, saves);
                self.cluster.note_change();
                return;
            }
        };
        self.cluster.new_leader(promoted, true);
        self.cluster.will_follow(old, promoted);
        if !saves {
            self.cluster.forgets(old);
        }
        self.cluster.write_some();
        let ms = self.draw(3000);
        self.plan(ms, Later::Start(old));
        self.point_some_at(promoted).await;
    }

    fn draw_successor(&mut self) -> Option<usize> {
        let all = self.cluster.successors();
        let drawn = self.draw(all.len().max(1) as u64) as usize;
        all.get(drawn).copied()
    }

    /// FAILOVER: to anybody, or to one whom it may be forced upon. Called off if it does not
    /// come to an end.
    pub async fn hand_over(&mut self) {
        let leader = self.cluster.leader;
        let to = (self.draw(2) == 0).then(|| self.follower());
        let force = to.is_some() && self.draw(3) == 0;
        let timeout_ms = 1 + self.draw(3000) as i64;
        let node = self.cluster.nodes[leader].as_ref();
        let Some(node) = node.filter(|node| node.serves()) else {
            return;
        };
        // The command refuses who does not follow.
        let all = node.engine.shared.followers.all();
        let is_online = |id: usize| {
            let online = |of: &Arc<Follower>| of.phase() == FollowerPhase::Online;
            all.iter().any(|of| of.port == address(id).1 && online(of))
        };
        if all.is_empty() || to.is_some_and(|id| !is_online(id)) {
            return;
        }
        let begin = Failover::Begin {
            to: to.map(follower_address),
            force,
            timeout_ms: Some(timeout_ms),
        };
        let text = format!("{begin:?} by node {leader}");
        self.cluster.tell(|| text);
        let (replication, engine) = (node.replication.clone(), node.engine.clone());
        // What it is answered, the server's state tells as well.
        drop(replication.failover(begin));
        if force {
            // Whoever has more than the one it is forced upon has to start over.
            self.cluster.allow_full_syncs();
        }
        let patience = MS * (timeout_ms as u32 + 20_000);
        let (began, mut aborted) = (Instant::now(), false);
        sleep(MS).await;
        while *engine.shared.role.failover.lock() != FailoverPhase::None {
            self.cluster.check();
            if began.elapsed() > patience && !aborted {
                self.cluster
                    .tell(|| "the failover is called off".to_owned());
                drop(replication.failover(Failover::Abort));
                aborted = true;
            }
            assert!(began.elapsed() < patience * 2, "a failover that never ends");
            self.do_due();
            sleep(MS * 7).await;
        }
        self.note_failover(leader, force).await;
    }

    async fn note_failover(&mut self, old: usize, force: bool) {
        let node = self.cluster.nodes[old].as_ref().expect("the leader is up");
        if node.engine.shared.role.is_follower() {
            let port = node.engine.shared.role.link.lock().port;
            let heir = node_at(port);
            self.cluster.tell(|| format!("node {heir} has taken over"));
            let keeps_all = !force || self.cluster.successors().contains(&heir);
            self.cluster.upstream[heir] = None;
            self.cluster.will_follow(old, heir);
            self.cluster.new_leader(heir, keeps_all);
        } else {
            if Some(node.history().id()) != self.cluster.truth.history.as_ref().map(History::id) {
                self.cluster.new_leader(old, true);
            }
            // It may have heard that it is to lead, and we not that it does.
            for id in 0..self.cluster.nodes.len() {
                let node = self.cluster.nodes[id].as_ref();
                if id != old && node.is_some_and(|node| !node.engine.shared.role.is_follower()) {
                    let above = self.cluster.upstream[id];
                    self.cluster.replica_of(id, above).await;
                }
            }
        }
        self.cluster.note_change();
    }

    /// Somebody who has not heard of the promotion writes to who no longer leads.
    fn write_to_old(&mut self, old: usize) {
        let rng = &mut self.cluster.rng;
        let commands = vec![
            command("SELECT 12"),
            command("SET count 0"),
            writes::select(rng),
            writes::any(rng, 100),
        ];
        let node = self.cluster.nodes[old].as_mut();
        if let Some(node) = node.filter(|node| !node.is_frozen()) {
            node.run(&commands);
        }
    }
}
