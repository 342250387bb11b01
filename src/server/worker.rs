//! Worker threads: each runs its own single-threaded runtime and serves the connections
//! that the acceptor gave it until they close. Nothing is stolen, nothing is shared but
//! the engine.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::connection::Connection;
use super::services::Services;
use crate::exec::Engine;
use crate::exec::dispatch::Executor;
use crate::net::stream::Moving;
use crate::resp::reply::ReplyBuf;
use crate::store::locked::Locker;

/// What one read takes at most. Larger values arrive in several.
const READ_BYTES: usize = 64 << 10;

/// What a worker's connections share: they run one at a time, and hold on to none of it
/// while they wait.
pub struct Worker {
    pub engine: Arc<Engine>,
    pub services: Arc<Services>,
    pub executor: RefCell<Executor>,
    pub input: RefCell<Box<[u8]>>,
    pub reply: RefCell<ReplyBuf>,
}

/// The acceptor's end of a worker.
pub struct WorkerHandle {
    arrivals: UnboundedSender<Moving>,
    connections: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl WorkerHandle {
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Gives the worker a connection. It is closed if the worker has ended.
    pub fn give(&self, stream: Moving) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let _ = self.arrivals.send(stream);
    }

    pub fn join(self) {
        drop(self.arrivals);
        let _ = self.thread.join();
    }
}

/// Starts the worker whose gate is `gate`.
pub fn start(
    engine: Arc<Engine>,
    services: Arc<Services>,
    gate: usize,
) -> io::Result<WorkerHandle> {
    let (arrivals, arriving) = unbounded_channel();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let thread = std::thread::Builder::new().name(format!("worker-{gate}")).spawn(move || {
        let locker = Locker::new(&engine.shared.keyspace, gate);
        let worker = Rc::new(Worker {
            engine,
            services,
            executor: RefCell::new(Executor::new(locker)),
            input: RefCell::new(vec![0; READ_BYTES].into()),
            reply: RefCell::new(ReplyBuf::new()),
        });
        serve(worker, arriving, counted);
    })?;
    Ok(WorkerHandle { arrivals, connections, thread })
}

fn serve(
    worker: Rc<Worker>,
    mut arriving: UnboundedReceiver<Moving>,
    connections: Arc<AtomicUsize>,
) {
    let runtime = match Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("A worker thread has no runtime: {error}");
            return;
        }
    };
    runtime.block_on(async move {
        while let Some(moving) = arriving.recv().await {
            let (worker, connections) = (worker.clone(), connections.clone());
            tokio::task::spawn_local(async move {
                match moving.join() {
                    Ok(stream) => Connection::new(worker, stream).serve().await,
                    Err(error) => tracing::debug!("A connection did not reach us: {error}"),
                }
                connections.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}
