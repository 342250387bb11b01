//! What the thread is asked to do about our role.

use tokio::sync::oneshot;

use super::super::desk::RoleRequest;
use super::super::line::LogLine;
use super::super::link::{Target, connection_lost_lines};
use super::super::roles;
use super::{Following, now_ms};
use crate::shared::role::FailoverPhase;

impl Following {
    pub fn take_request(&mut self, request: RoleRequest) {
        match request {
            RoleRequest::ReplicaOf {
                target,
                requested_by,
                reply,
            } => {
                // Who asked may have gone.
                let _ = reply.send(self.replica_of(target, &requested_by));
            }
            RoleRequest::TakeOver {
                requested_by,
                reply,
            } => {
                self.lead(&format!("failover request from '{requested_by}'"));
                let _ = reply.send(());
            }
            RoleRequest::HandOver { target, verdict } => self.hand_over(target, verdict),
            RoleRequest::TakeBack { reply } => {
                let may = self.hand_over.take().is_some();
                if may {
                    self.lead("failover aborted");
                }
                let _ = reply.send(may);
            }
            RoleRequest::Stop => {}
        }
    }

    fn replica_of(&mut self, target: Option<Target>, by: &str) -> Result<String, String> {
        // It may have begun since the command was looked at.
        if *self.engine.shared.role.failover.lock() != FailoverPhase::None {
            return Err("ERR REPLICAOF not allowed while failing over.".to_owned());
        }
        let text = match target {
            Some(target) => self.follow_another(target, by),
            None => {
                self.lead(&format!("user request from '{by}'"));
                "OK"
            }
        };
        Ok(text.to_owned())
    }

    fn follow_another(&mut self, target: Target, requested_by: &str) -> &'static str {
        let is_same =
            |now: &Target| now.port == target.port && now.host.eq_ignore_ascii_case(&target.host);
        if self.link.target().is_some_and(is_same) {
            LogLine::notice(
                "REPLICAOF would result into synchronization with the master we are already \
                 connected with. No operation performed.",
            )
            .log();
            return "OK Already connected to specified master";
        }
        self.keep_own_history();
        let text = format!(
            "REPLICAOF {}:{} enabled (user request from '{requested_by}')",
            target.host, target.port
        );
        roles::follow(&self.engine.shared, self.applier.locker(), &target);
        say_goodbye(self.link.status().is_up);
        self.follow(target);
        LogLine::notice(text).log();
        "OK"
    }

    /// A leader that is about to follow asks its new leader to go on where it is itself.
    fn keep_own_history(&mut self) {
        if self.link.target().is_some() {
            return;
        }
        LogLine::notice(
            "Before turning into a replica, using my own master parameters to synthesize a \
             cached master: I may be able to synchronize with the new master with just a \
             partial transfer.",
        )
        .log();
        self.session.db = self.engine.shared.oplog.selected_db().unwrap_or(0);
        self.resumes = true;
    }

    pub fn follow(&mut self, target: Target) {
        let mut actions = Vec::new();
        self.link.follow(target, now_ms(), &mut actions);
        self.perform(actions);
    }

    /// Becomes a leader, unless it is one.
    pub fn lead(&mut self, why: &str) {
        let was_up = self.link.status().is_up;
        let mut actions = Vec::new();
        self.link.unfollow(&mut actions);
        self.perform(actions);
        if let Some(line) = roles::lead(&self.engine.shared, self.applier.locker()) {
            say_goodbye(was_up);
            if was_up || self.resumes {
                LogLine::notice("Discarding previously cached master state.").log();
            }
            line.log();
            LogLine::notice(format!("MASTER MODE enabled ({why})")).log();
        }
    }

    // ---- failover ----

    fn hand_over(&mut self, target: Target, verdict: oneshot::Sender<bool>) {
        roles::hand_over(&self.engine.shared, self.applier.locker(), &target);
        self.keep_own_history();
        self.hand_over = Some(verdict);
        self.follow(target);
    }

    /// The one whom we hand our leadership to has answered.
    pub fn handed_over(&mut self, accepted: bool) {
        if let Some(verdict) = self.hand_over.take() {
            // Without a failover's task the server is ending.
            let _ = verdict.send(accepted);
        }
    }
}

/// Logs the end of a link that was ended by a request.
fn say_goodbye(was_up: bool) {
    if was_up {
        connection_lost_lines().iter().for_each(LogLine::log);
    }
}
