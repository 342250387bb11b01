//! A full sync: what the link wants done with the leader's snapshot.

use super::super::doubt::Held;
use super::super::intake::{Circumstances, Intake, Loading, Made, Plan, Trouble};
use super::super::payload::Framing;
use super::{Following, now_ms};
use crate::config::{DisklessLoad, Param};
use crate::persist::load::Loaded;
use crate::store::keyspace::Tables;

impl Following {
    /// Whether a snapshot would not touch the disk, as things stand.
    pub fn loads_from_socket(&mut self) -> bool {
        let held = self.held();
        self.plan(&held).is_diskless()
    }

    pub fn begin_payload(&mut self, framing: Framing) {
        let held = self.held();
        let plan = self.plan(&held);
        self.doubt = held.doubts(self.full_from).then_some(held);
        self.offset_tells &= self.doubt.is_none();
        let announced_bytes = match framing {
            Framing::LengthBytes(bytes) => Some(bytes),
            Framing::Mark(_) => None,
        };
        let engine = self.engine.clone();
        let locker = self.applier.locker();
        match Intake::begin(&engine.shared, locker, plan, announced_bytes) {
            Ok(intake) => self.intake = Some(intake),
            Err(trouble) => self.refuse(&trouble),
        }
    }

    pub fn take_payload(&mut self, bytes: &[u8]) {
        let Some(intake) = &mut self.intake else {
            return;
        };
        let locker = self.applier.locker();
        if let Err(trouble) = intake.take(&self.engine.shared, locker, bytes) {
            self.give_intake_up();
            self.refuse(&trouble);
        }
    }

    pub fn end_payload(&mut self) {
        let Some(intake) = self.intake.take() else {
            return;
        };
        let engine = self.engine.clone();
        let doubt = self.doubt;
        let config = &engine.shared.config;
        let accepts = config.get_bool(Param::ReplicaAcceptEmptyLeader);
        let may_take = move |keys| may_take(doubt, accepts, keys);
        self.loading = Some(intake.finish(&engine, may_take));
    }

    /// A thread is done with the snapshot, or with one part of its way.
    pub fn go_on_loading(&mut self, made: Result<Made, Trouble>) {
        let Some(mut loading) = self.loading.take() else {
            return;
        };
        match made {
            Ok(Made::Kept(kept)) => {
                let engine = self.engine.clone();
                loading.load(&engine, self.applier.locker(), kept);
                self.loading = Some(loading);
            }
            Ok(Made::Data(loaded)) => self.finish_load(loading, Ok(loaded)),
            Err(trouble) => self.finish_load(loading, Err(trouble)),
        }
    }

    fn finish_load(&mut self, loading: Loading, result: Result<Box<Loaded>, Trouble>) {
        let engine = self.engine.clone();
        let shared = &engine.shared;
        let accepts = shared.config.get_bool(Param::ReplicaAcceptEmptyLeader);
        let result = result.and_then(|loaded| {
            // Of what was to be loaded from a file this was asked before.
            let doubt = self.doubt.filter(|_| loading.keeps_old());
            may_take(doubt, accepts, loaded.keys()).map(|()| loaded)
        });
        match result {
            Ok(loaded) => {
                // First: whoever sees that the link is up must not see these any more.
                self.forget_refusals();
                let from = self.full_from.take();
                self.resumes = from.is_some();
                // If it broke meanwhile, the stream is asked for again from here.
                let link_is_up = self.link.is_loading();
                let locker = self.applier.locker();
                self.session.db = loading.install(shared, locker, *loaded, from, link_is_up);
                if link_is_up {
                    self.begin_stream();
                    let mut actions = Vec::new();
                    self.link.loaded(self.progress(), now_ms(), &mut actions);
                    self.perform(actions);
                    // What has come behind the snapshot.
                    self.take_input();
                }
            }
            Err(trouble) => {
                self.resumes &= loading.give_up(shared, self.applier.locker());
                self.refuse(&trouble);
            }
        }
    }

    /// The link broke while the snapshot came.
    pub fn break_intake_off(&mut self) {
        if let Some(intake) = self.intake.take() {
            let locker = self.applier.locker();
            self.resumes &= intake.break_off(&self.engine.shared, locker);
        }
    }

    fn give_intake_up(&mut self) {
        if let Some(intake) = self.intake.take() {
            let locker = self.applier.locker();
            self.resumes &= intake.give_up(&self.engine.shared, locker);
        }
    }

    /// Another role or leader is wanted before the snapshot of this one is in place.
    pub fn abandon_load(&mut self) {
        if let Some(loading) = self.loading.take() {
            let locker = self.applier.locker();
            self.resumes &= loading.give_up(&self.engine.shared, locker);
        }
    }

    // ---- refusals ----

    /// The snapshot is of no use. The log is told why once, INFO as long as it is so.
    fn refuse(&mut self, trouble: &Trouble) {
        self.is_disk_full = trouble.is_of_disk();
        {
            let mut facts = self.engine.shared.role.link.lock();
            if facts.refusal != trouble.reason {
                facts.refusal.clone_from(&trouble.reason);
                trouble.log();
            }
            facts.refusals += 1;
        }
        let mut actions = Vec::new();
        self.link.refused(now_ms(), &mut actions);
        self.perform(actions);
    }

    pub fn forget_refusals(&mut self) {
        self.offset_tells = true;
        self.is_disk_full = false;
        let mut facts = self.engine.shared.role.link.lock();
        facts.refusal.clear();
        facts.refusals = 0;
    }

    // ---- facts ----

    fn plan(&self, held: &Held) -> Plan {
        let config = &self.engine.shared.config;
        let accepts = config.get_bool(Param::ReplicaAcceptEmptyLeader);
        let now = Circumstances {
            holds_data: held.keys > 0,
            same_history: self.full_from.is_some_and(|(id, _)| id == held.ids[0]),
            in_doubt: held.doubts(self.full_from) && !accepts,
        };
        let plan = Plan::choose(config.choice::<DisklessLoad>(Param::ReplDisklessLoad), now);
        match self.is_disk_full {
            // Or this one would be lost like the last one, and so on.
            true => plan.without_disk(),
            false => plan,
        }
    }

    fn held(&mut self) -> Held {
        let shared = &self.engine.shared;
        let locked = shared.keyspace.lock_shards(self.applier.locker(), &[0]);
        let databases = 0..shared.keyspace.database_count() as u32;
        let tables = databases.filter_map(|db| locked.tables(db));
        let keys = tables.map(Tables::len).sum();
        drop(locked);
        let history = shared.history.lock();
        Held {
            ids: [history.id(), history.second_id()],
            end_offset: shared.oplog.end_offset(),
            keys,
            is_its_own: self.link.has_led(),
            offset_tells: self.offset_tells,
        }
    }
}

/// Whether a snapshot with so many keys may take the place of what we hold.
fn may_take(doubt: Option<Held>, accepts: bool, keys: u64) -> Result<(), Trouble> {
    let Some(held) = doubt.filter(|held| !accepts && held.would_be_lost(keys)) else {
        return Ok(());
    };
    let reason = format!(
        "the master has lost its history and offers {keys} keys for {}",
        held.keys
    );
    let line = format!(
        "MASTER <-> REPLICA sync: {reason}. They are kept and served; it is asked again now and \
         then. Set replica-accept-empty-leader to yes to follow it all the same"
    );
    Err(Trouble::new(reason, line))
}
