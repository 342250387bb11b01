//! Channels and patterns, and who listens to them.
//!
//! Channels are spread over stripes; a message holds its channel's stripe while it is
//! delivered, so that two messages on one channel reach everyone in the same order.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};

use super::clients::ClientFacts;
use crate::base::glob;
use crate::base::hash::KeyHasher;
use crate::resp::reply::ReplyBuf;

const STRIPES: usize = 64;

/// A pattern and who listens to what matches it.
type Pattern = (Box<[u8]>, Vec<Arc<ClientFacts>>);

type Subscribers = HashMap<Box<[u8]>, Vec<Arc<ClientFacts>>>;

pub struct PubSub {
    hasher: KeyHasher,
    stripes: [Mutex<Subscribers>; STRIPES],
    shard_channels: Mutex<Subscribers>,
    patterns: RwLock<Vec<Pattern>>,
    /// Subscriptions of every kind: while there are none a message costs one load.
    subscriptions: AtomicUsize,
}

impl PubSub {
    pub fn new(hasher: KeyHasher) -> PubSub {
        PubSub {
            hasher,
            stripes: std::array::from_fn(|_| Mutex::default()),
            shard_channels: Mutex::default(),
            patterns: RwLock::default(),
            subscriptions: AtomicUsize::new(0),
        }
    }

    fn stripe(&self, channel: &[u8]) -> &Mutex<Subscribers> {
        &self.stripes[self.hasher.hash(channel) as usize % STRIPES]
    }

    pub fn subscribe(&self, channel: &[u8], who: &Arc<ClientFacts>) {
        add(&mut self.stripe(channel).lock(), channel, who);
        self.subscriptions.fetch_add(1, Ordering::Release);
    }

    pub fn unsubscribe(&self, channel: &[u8], id: u64) {
        let gone = remove(&mut self.stripe(channel).lock(), channel, id);
        self.subscriptions.fetch_sub(gone, Ordering::Release);
    }

    pub fn subscribe_shard(&self, channel: &[u8], who: &Arc<ClientFacts>) {
        add(&mut self.shard_channels.lock(), channel, who);
    }

    pub fn unsubscribe_shard(&self, channel: &[u8], id: u64) {
        remove(&mut self.shard_channels.lock(), channel, id);
    }

    pub fn subscribe_pattern(&self, pattern: &[u8], who: &Arc<ClientFacts>) {
        let mut patterns = self.patterns.write();
        match patterns.iter_mut().find(|(known, _)| **known == *pattern) {
            Some((_, clients)) => clients.push(who.clone()),
            None => patterns.push((pattern.into(), vec![who.clone()])),
        }
        self.subscriptions.fetch_add(1, Ordering::Release);
    }

    pub fn unsubscribe_pattern(&self, pattern: &[u8], id: u64) {
        let mut patterns = self.patterns.write();
        if let Some(at) = patterns.iter().position(|(known, _)| **known == *pattern) {
            let clients = &mut patterns[at].1;
            let before = clients.len();
            clients.retain(|client| client.id != id);
            self.subscriptions
                .fetch_sub(before - clients.len(), Ordering::Release);
            if clients.is_empty() {
                patterns.remove(at);
            }
        }
    }

    #[inline]
    pub fn has_subscribers(&self) -> bool {
        self.subscriptions.load(Ordering::Acquire) != 0
    }

    /// Delivers a message to a channel's subscribers and to those of every pattern that
    /// matches it; returns how many got it.
    pub fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        if !self.has_subscribers() {
            return 0;
        }
        let stripe = self.stripe(channel).lock();
        let mut receivers = 0;
        if let Some(clients) = stripe.get(channel) {
            receivers += deliver(clients, &[b"message", channel, message]);
        }
        for (pattern, clients) in self.patterns.read().iter() {
            if glob::matches(pattern, channel, false) {
                receivers += deliver(clients, &[b"pmessage", pattern, channel, message]);
            }
        }
        receivers
    }

    /// As `publish`, for shard channels.
    pub fn publish_shard(&self, channel: &[u8], message: &[u8]) -> usize {
        let channels = self.shard_channels.lock();
        match channels.get(channel) {
            Some(clients) => deliver(clients, &[b"smessage", channel, message]),
            None => 0,
        }
    }

    /// The channels that somebody listens to, those that match `pattern` if there is one.
    pub fn channels(&self, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let stripes = self.stripes.iter();
        stripes
            .flat_map(|stripe| names(&stripe.lock(), pattern))
            .collect()
    }

    pub fn shard_channels(&self, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        names(&self.shard_channels.lock(), pattern)
    }

    pub fn subscribers(&self, channel: &[u8]) -> usize {
        self.stripe(channel).lock().get(channel).map_or(0, Vec::len)
    }

    pub fn shard_subscribers(&self, channel: &[u8]) -> usize {
        self.shard_channels.lock().get(channel).map_or(0, Vec::len)
    }

    /// How many different patterns are subscribed to.
    pub fn pattern_count(&self) -> usize {
        self.patterns.read().len()
    }

    pub fn channel_count(&self) -> usize {
        self.stripes.iter().map(|stripe| stripe.lock().len()).sum()
    }

    pub fn shard_channel_count(&self) -> usize {
        self.shard_channels.lock().len()
    }
}

fn add(subscribers: &mut Subscribers, channel: &[u8], who: &Arc<ClientFacts>) {
    subscribers
        .entry(channel.into())
        .or_default()
        .push(who.clone());
}

/// Returns how many subscriptions ended, 0 or 1.
fn remove(subscribers: &mut Subscribers, channel: &[u8], id: u64) -> usize {
    let Some(clients) = subscribers.get_mut(channel) else {
        return 0;
    };
    let before = clients.len();
    clients.retain(|client| client.id != id);
    let gone = before - clients.len();
    if clients.is_empty() {
        subscribers.remove(channel);
    }
    gone
}

fn names(subscribers: &Subscribers, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
    let wanted = |name: &[u8]| pattern.is_none_or(|p| glob::matches(p, name, false));
    subscribers
        .keys()
        .filter(|name| wanted(name))
        .cloned()
        .collect()
}

fn deliver(clients: &[Arc<ClientFacts>], parts: &[&[u8]]) -> usize {
    let mut encoded: [Option<ReplyBuf>; 2] = [None, None];
    for client in clients {
        client.push_with(|resp3| {
            encoded[usize::from(resp3)]
                .get_or_insert_with(|| encode(parts, resp3))
                .bytes()
        });
    }
    clients.len()
}

fn encode(parts: &[&[u8]], resp3: bool) -> ReplyBuf {
    let mut reply = ReplyBuf::with_protocol(resp3);
    reply.push(parts.len());
    parts.iter().for_each(|part| reply.bulk(part));
    reply
}
