//! What a worker's connections share: they run one at a time, and hold on to none of it
//! while they wait.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use super::crew::Crew;
use super::inbox::Inbox;
use super::links::Links;
use super::output::Spares;
use super::services::Services;
use crate::exec::Engine;
use crate::exec::dispatch::Executor;
use crate::resp::reply::ReplyBuf;
use crate::store::locked::Locker;

pub struct Worker {
    pub engine: Arc<Engine>,
    pub crew: Arc<Crew>,
    /// The last shift of the crew after which nothing had to move from here.
    settled_shift: Cell<u64>,
    /// There once the dataset is loaded.
    pub services: Arc<OnceLock<Services>>,
    pub executor: RefCell<Executor>,
    pub inbox: Inbox,
    pub reply: RefCell<ReplyBuf>,
    pub spares: Spares,
    pub links: Rc<Links>,
    pub gate: usize,
}

impl Worker {
    pub fn new(
        engine: Arc<Engine>,
        services: Arc<OnceLock<Services>>,
        crew: Arc<Crew>,
        gate: usize,
    ) -> Worker {
        let locker = Locker::new(&engine.shared.keyspace, gate);
        Worker {
            links: Links::new(engine.clone()),
            engine,
            crew,
            settled_shift: Cell::new(0),
            services,
            executor: RefCell::new(Executor::new(locker)),
            inbox: Inbox::default(),
            reply: RefCell::new(ReplyBuf::new()),
            spares: Spares::default(),
            gate,
        }
    }

    /// The worker that should serve one of the connections from here instead.
    #[inline]
    pub fn elsewhere(&self) -> Option<usize> {
        let shift = self.crew.shifts();
        if shift == self.settled_shift.get() {
            return None;
        }
        let elsewhere = self.crew.elsewhere(self.gate);
        // Whoever rests has connections to give away for as long as any of them speaks.
        if elsewhere.is_none() {
            self.settled_shift.set(shift);
        }
        elsewhere
    }
}
