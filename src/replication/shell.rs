//! Stand-in until the shells land.
use crate::commands::cx::Failover;
use crate::exec::Engine;
use crate::shared::clients::ClientFacts;
use crate::shared::introduction::FollowerFacts;
use std::sync::Arc;
use tokio::sync::oneshot;
#[derive(Clone)]
pub struct Replication;
pub struct NewFollower {
    pub stream: crate::net::stream::Moving,
    pub facts: Arc<ClientFacts>,
    pub introduction: FollowerFacts,
    pub request: Vec<Box<[u8]>>,
    pub leftover_input: Vec<u8>,
    pub pending_output: Vec<u8>,
}
pub fn start<T>(_: Arc<Engine>, _: [usize; 2], _: T) -> std::io::Result<Replication> {
    Ok(Replication)
}
impl Replication {
    pub fn new_follower(&self, _: NewFollower) {}
    pub fn replica_of(&self, _: Option<(String, u16)>, _: &str) -> oneshot::Receiver<String> {
        oneshot::channel().1
    }
    pub fn failover(&self, _: Failover) -> oneshot::Receiver<Result<(), String>> {
        oneshot::channel().1
    }
    pub fn shutdown_wait(&self, _: std::time::Duration) -> oneshot::Receiver<bool> {
        oneshot::channel().1
    }
    pub fn cancel_shutdown_wait(&self) {}
}
