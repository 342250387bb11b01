//! What a worker's connections share: they run one at a time, and hold on to none of it
//! while they wait.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use super::links::Links;
use super::services::Services;
use crate::exec::Engine;
use crate::exec::dispatch::Executor;
use crate::resp::reply::ReplyBuf;
use crate::store::locked::Locker;

/// What one read takes at most. Larger values arrive in several.
const READ_BYTES: usize = 64 << 10;

pub struct Worker {
    pub engine: Arc<Engine>,
    /// There once the dataset is loaded.
    pub services: Arc<OnceLock<Services>>,
    pub executor: RefCell<Executor>,
    pub input: RefCell<Box<[u8]>>,
    pub reply: RefCell<ReplyBuf>,
    pub links: Rc<Links>,
    pub gate: usize,
}

impl Worker {
    pub fn new(engine: Arc<Engine>, services: Arc<OnceLock<Services>>, gate: usize) -> Worker {
        let locker = Locker::new(&engine.shared.keyspace, gate);
        Worker {
            links: Links::new(engine.clone()),
            engine,
            services,
            executor: RefCell::new(Executor::new(locker)),
            input: RefCell::new(vec![0; READ_BYTES].into()),
            reply: RefCell::new(ReplyBuf::new()),
            gate,
        }
    }
}
