//! Worker threads: each runs its own single-threaded runtime and serves the connections
//! that the acceptor gave it until they close. Nothing is stolen, nothing is shared but
//! the engine.

use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::connection::Connection;
use super::context::Worker;
use super::serve::serve;
use super::services::Services;
use crate::base::memory;
use crate::exec::Engine;
use crate::net::stream::Moving;

/// How often a worker looks whether its memory is worth tidying.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// It is when what is in use has changed by one part in so many since the last time.
const TIDY_CHANGE: usize = 16;

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
    services: Arc<OnceLock<Services>>,
    gate: usize,
) -> io::Result<WorkerHandle> {
    let (arrivals, arriving) = unbounded_channel();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let thread = std::thread::Builder::new()
        .name(format!("worker-{gate}"))
        .spawn(move || {
            let worker = Rc::new(Worker::new(engine, services, gate));
            run(worker, arriving, counted);
        })?;
    Ok(WorkerHandle {
        arrivals,
        connections,
        thread,
    })
}

fn run(worker: Rc<Worker>, mut arriving: UnboundedReceiver<Moving>, connections: Arc<AtomicUsize>) {
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
        tokio::task::spawn_local(keep_memory_tidy());
        while let Some(moving) = arriving.recv().await {
            let (worker, connections) = (worker.clone(), connections.clone());
            tokio::task::spawn_local(async move {
                match moving.join() {
                    Ok(stream) => serve(Connection::new(worker, stream)).await,
                    Err(error) => {
                        tracing::debug!("A connection did not reach us: {error}");
                        worker.engine.shared.clients.miss_arrival();
                    }
                }
                connections.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

/// Gives memory back that the worker does not need any more, for ever.
async fn keep_memory_tidy() {
    let mut tidied_bytes = 0_usize;
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        let used_bytes = memory::used_bytes();
        if used_bytes.abs_diff(tidied_bytes) > used_bytes / TIDY_CHANGE {
            memory::tidy();
            tidied_bytes = used_bytes;
        }
    }
}
