//! Worker threads: each runs its own single-threaded runtime and serves the connections
//! that the acceptor gave it until they close, or until the crew has them elsewhere.
//! Nothing is shared but the engine.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::UnboundedReceiver;

use super::connection::Connection;
use super::context::Worker;
use super::crew::{Arrival, Crew};
use super::serve::serve;
use super::services::Services;
use crate::base::memory;
use crate::exec::Engine;
use crate::store::locked::Want;

/// How often a worker looks whether its memory is worth tidying.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// It is when what is in use has changed by one part in so many since the last time.
const TIDY_CHANGE: usize = 16;
/// Shards whose tables a worker moves before it looks at its connections again.
const SHARDS_AT_ONCE: usize = 32;

/// Starts the worker whose gate is `gate`. It ends with the process.
pub fn start(
    engine: Arc<Engine>,
    services: Arc<OnceLock<Services>>,
    crew: Arc<Crew>,
    gate: usize,
    arriving: UnboundedReceiver<Arrival>,
) -> io::Result<()> {
    std::thread::Builder::new()
        .name(format!("worker-{gate}"))
        .spawn(move || {
            crew.sit_down(gate);
            let worker = Rc::new(Worker::new(engine, services, crew, gate));
            run(worker, arriving);
        })?;
    Ok(())
}

fn run(worker: Rc<Worker>, mut arriving: UnboundedReceiver<Arrival>) {
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
        tokio::task::spawn_local(keep_memory_tidy(worker.clone()));
        while let Some(arrival) = arriving.recv().await {
            let worker = worker.clone();
            tokio::task::spawn_local(async move {
                take_in(worker.clone(), arrival).await;
                worker.crew.count_out(worker.gate);
            });
        }
    });
}

async fn take_in(worker: Rc<Worker>, arrival: Arrival) {
    let Arrival { stream, state } = arrival;
    match (stream.join(), state) {
        (Ok(stream), None) => serve(Connection::new(worker, stream)).await,
        (Ok(stream), Some(carried)) => {
            serve(Connection::carried(worker, stream, *carried)).await;
        }
        (Err(error), state) => {
            tracing::debug!("A connection did not reach us: {error}");
            let clients = &worker.engine.shared.clients;
            match state {
                None => clients.miss_arrival(),
                Some(carried) => clients.remove(carried.session.facts.id),
            }
        }
    }
}

/// Gives memory back that the worker does not need any more, for ever.
async fn keep_memory_tidy(worker: Rc<Worker>) {
    let (mut tidied_bytes, mut has_changed) = (0_usize, false);
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        let used_bytes = memory::used_bytes();
        let had_changed = has_changed;
        has_changed = used_bytes.abs_diff(tidied_bytes) > used_bytes / TIDY_CHANGE;
        if has_changed {
            tidied_bytes = used_bytes;
            if worker.gate == 0 {
                resettle_tables(&worker).await;
            }
        }
        // Once more a while later: the first worker has moved what was this one's.
        if has_changed || had_changed {
            memory::tidy();
        }
    }
}

/// Moves the small tables of all databases together, up to one that cannot be locked: there is
/// something more urgent to do then.
async fn resettle_tables(worker: &Worker) {
    let keyspace = &worker.engine.shared.keyspace;
    for shard in 0..keyspace.shard_count() {
        if shard % SHARDS_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
        let mut executor = worker.executor.borrow_mut();
        let want = Want::Shards(&[shard as u16]);
        match keyspace.try_lock(&mut executor.locker, want) {
            Ok(mut locked) => locked.resettle(shard),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests;
