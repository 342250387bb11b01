//! Client-side caching: who may have which keys cached, and who is told when they change.
//!
//! There are two ways to be told. A client that reads keys is noted with each of them, once:
//! when the key changes it is told, and no more until it reads the key again. Or a client
//! names prefixes, nothing is noted, and it is told of all keys that begin so, those of one
//! group of commands together.
//!
//! Keys are known by their names whatever their database, and a client that is gone stays
//! noted until the key changes, as in Redis. What a client has asked for stands in its facts:
//! flags, and whom it redirects the messages to.
//!
//! A read is noted, and a change told, under the lock of the key's shard; so nobody keeps what
//! was changed after it was read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::clients::{ClientFacts, Clients, client_flag};
use crate::base::hash::KeyHasher;
use crate::resp::reply::ReplyBuf;

const STRIPES: usize = 64;
/// The channel on which a RESP2 client hears what another one redirects to it.
const CHANNEL: &[u8] = b"__redis__:invalidate";
/// So many keys are given up at a time when there are too many, and so many more each time
/// that was not enough.
const GIVEN_UP: usize = 100;

/// What a client's interest in a prefix costs beside the name, roughly.
const PREFIX_FIXED_BYTES: usize = size_of::<Prefix>() + 2 * size_of::<Box<[u8]>>();

type Stripe = HashMap<Box<[u8]>, Vec<u64>>;

/// A prefix, who is told of keys that begin so, and keys that changed since they were told,
/// each with who changed it last.
#[derive(Default)]
struct Prefix {
    clients: Vec<Arc<ClientFacts>>,
    changed: BTreeMap<Box<[u8]>, Option<u64>>,
}

pub struct Tracking {
    hasher: KeyHasher,
    /// Who has read a key, by key.
    readers: [Mutex<Stripe>; STRIPES],
    keys: AtomicUsize,
    items: AtomicUsize,
    prefixes: Mutex<BTreeMap<Box<[u8]>, Prefix>>,
    /// Something changed that some of `prefixes` are to be told of.
    has_changed: AtomicBool,
    /// Clients that track, in either way.
    clients: AtomicUsize,
    /// How often in a row `give_up` has left too many keys.
    tries: AtomicUsize,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    pub redirect_to: u64,
    pub broadcast: bool,
    pub opt_in: bool,
    pub opt_out: bool,
    pub no_loop: bool,
}

/// What a message says.
enum News<'a> {
    Keys(&'a [&'a [u8]]),
    Everything,
}

impl Tracking {
    pub fn new(hasher: KeyHasher) -> Tracking {
        Tracking {
            hasher,
            readers: std::array::from_fn(|_| Mutex::default()),
            keys: AtomicUsize::new(0),
            items: AtomicUsize::new(0),
            prefixes: Mutex::default(),
            has_changed: AtomicBool::new(false),
            clients: AtomicUsize::new(0),
            tries: AtomicUsize::new(0),
        }
    }

    /// Whether anybody tracks. Asked under the locks of the commands that it matters to.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.clients.load(Ordering::Acquire) != 0
    }

    pub fn client_count(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    pub fn key_count(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// Readers of all keys, counted once for each of their keys.
    pub fn item_count(&self) -> usize {
        self.items.load(Ordering::Relaxed)
    }

    pub fn prefix_count(&self) -> usize {
        self.prefixes.lock().len()
    }

    /// Begins, or goes on with other wishes; `prefixes` come to those it has.
    pub fn enable(&self, facts: &Arc<ClientFacts>, wish: Wish, prefixes: &[&[u8]]) {
        if !facts.has(client_flag::TRACKING) {
            self.clients.fetch_add(1, Ordering::AcqRel);
        }
        facts.redirect_to.store(wish.redirect_to, Ordering::Relaxed);
        facts.set(client_flag::OF_TRACKING, false);
        let flags = [
            (client_flag::TRACKING, true),
            (client_flag::BROADCAST, wish.broadcast),
            (client_flag::OPT_IN, wish.opt_in),
            (client_flag::OPT_OUT, wish.opt_out),
            (client_flag::NO_LOOP, wish.no_loop),
        ];
        let on = flags.iter().filter(|(_, on)| *on);
        facts.set(on.fold(0, |all, (flag, _)| all | flag), true);
        if wish.broadcast {
            let everything: [&[u8]; 1] = [b""];
            let prefixes = if prefixes.is_empty() {
                &everything
            } else {
                prefixes
            };
            let mut all = self.prefixes.lock();
            for prefix in prefixes {
                let clients = &mut all.entry((*prefix).into()).or_default().clients;
                if !clients.iter().any(|client| client.id == facts.id) {
                    clients.push(facts.clone());
                    let bytes = prefix.len() + PREFIX_FIXED_BYTES;
                    facts
                        .memory
                        .prefix_bytes
                        .fetch_add(bytes, Ordering::Relaxed);
                }
            }
        }
    }

    pub fn disable(&self, facts: &ClientFacts) {
        if !facts.has(client_flag::TRACKING) {
            return;
        }
        if facts.has(client_flag::BROADCAST) {
            self.prefixes.lock().retain(|_, prefix| {
                prefix.clients.retain(|client| client.id != facts.id);
                !prefix.clients.is_empty()
            });
            facts.memory.prefix_bytes.store(0, Ordering::Relaxed);
        }
        facts.set(client_flag::OF_TRACKING, false);
        facts.redirect_to.store(0, Ordering::Relaxed);
        self.clients.fetch_sub(1, Ordering::AcqRel);
    }

    /// The prefixes that a client is told of.
    pub fn prefixes_of(&self, id: u64) -> Vec<Box<[u8]>> {
        let prefixes = self.prefixes.lock();
        let has = |prefix: &Prefix| prefix.clients.iter().any(|client| client.id == id);
        let own = prefixes.iter().filter(|(_, prefix)| has(prefix));
        own.map(|(name, _)| name.clone()).collect()
    }

    fn stripe(&self, key: &[u8]) -> &Mutex<Stripe> {
        &self.readers[self.hasher.hash(key) as usize % STRIPES]
    }

    /// Notes that a client has read keys, if it wants to be told of them.
    pub fn note_read<'k>(&self, facts: &ClientFacts, keys: impl Iterator<Item = &'k [u8]>) {
        let flags = facts.flags.load(Ordering::Relaxed);
        let has = |flag| flags & flag != 0;
        let is_wanted = match has(client_flag::CACHING_SAID) {
            true => !has(client_flag::OPT_OUT),
            false => !has(client_flag::OPT_IN),
        };
        if !has(client_flag::TRACKING) || has(client_flag::BROADCAST) || !is_wanted {
            return;
        }
        for key in keys {
            let mut stripe = self.stripe(key).lock();
            let readers = match stripe.get_mut(key) {
                Some(readers) => readers,
                None => {
                    self.keys.fetch_add(1, Ordering::Relaxed);
                    stripe.entry(key.into()).or_default()
                }
            };
            if !readers.contains(&facts.id) {
                readers.push(facts.id);
                self.items.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A key has changed, by what a client did if `by` names one.
    pub fn tell_changed(&self, clients: &Clients, key: &[u8], by: Option<u64>) {
        self.note_for_prefixes(key, by);
        self.tell_readers(clients, key, by);
    }

    fn note_for_prefixes(&self, key: &[u8], by: Option<u64>) {
        let mut prefixes = self.prefixes.lock();
        let matching = prefixes.iter_mut();
        for (_, prefix) in matching.filter(|(name, _)| key.starts_with(name)) {
            prefix.changed.insert(key.into(), by);
            self.has_changed.store(true, Ordering::Release);
        }
    }

    fn tell_readers(&self, clients: &Clients, key: &[u8], by: Option<u64>) {
        let Some(readers) = self.stripe(key).lock().remove(key) else {
            return;
        };
        self.keys.fetch_sub(1, Ordering::Relaxed);
        self.items.fetch_sub(readers.len(), Ordering::Relaxed);
        for id in readers {
            let Some(reader) = clients.get(id) else {
                continue;
            };
            let flags = reader.flags.load(Ordering::Relaxed);
            let is_own = flags & client_flag::NO_LOOP != 0 && by == Some(id);
            let wants = flags & (client_flag::TRACKING | client_flag::BROADCAST);
            if wants == client_flag::TRACKING && !is_own {
                send(clients, &reader, News::Keys(&[key]));
            }
        }
    }

    /// Tells those who have named prefixes what has changed since the last time.
    pub fn tell_prefixes(&self, clients: &Clients) {
        if !self.has_changed.swap(false, Ordering::AcqRel) {
            return;
        }
        for prefix in self.prefixes.lock().values_mut() {
            let changed = std::mem::take(&mut prefix.changed);
            if changed.is_empty() {
                continue;
            }
            for client in &prefix.clients {
                let no_loop = client.has(client_flag::NO_LOOP);
                let is_news = |by: &Option<u64>| !no_loop || *by != Some(client.id);
                let keys = changed.iter().filter(|(_, by)| is_news(by));
                let keys: Vec<&[u8]> = keys.map(|(key, _)| &**key).collect();
                if !keys.is_empty() {
                    send(clients, client, News::Keys(&keys));
                }
            }
        }
    }

    /// Everything is gone: everybody is told so, and nobody is noted any more.
    pub fn tell_flushed(&self, clients: &Clients) {
        for client in clients.all() {
            if client.has(client_flag::TRACKING) {
                send(clients, &client, News::Everything);
            }
        }
        for stripe in &self.readers {
            let mut stripe = stripe.lock();
            self.keys.fetch_sub(stripe.len(), Ordering::Relaxed);
            let items = stripe.values().map(Vec::len).sum();
            self.items.fetch_sub(items, Ordering::Relaxed);
            *stripe = Stripe::new();
        }
    }

    /// Gives up some keys if more than `keys_max` are noted (0: any number): their readers
    /// are told as if they had changed. True if there were any.
    pub fn give_up(&self, clients: &Clients, keys_max: usize) -> bool {
        if keys_max == 0 || self.key_count() <= keys_max {
            return false;
        }
        let tries = self.tries.fetch_add(1, Ordering::Relaxed) + 1;
        let mut left = GIVEN_UP.saturating_mul(tries);
        for stripe in self.readers.iter().cycle().skip(tries % STRIPES) {
            if left == 0 {
                return true;
            }
            let surplus = self.key_count().saturating_sub(keys_max);
            if surplus == 0 {
                break;
            }
            // Which come first is as good as random.
            let share = left.min(surplus).min(1 + surplus / STRIPES);
            let names: Vec<Box<[u8]>> = stripe.lock().keys().take(share).cloned().collect();
            for name in &names {
                self.tell_readers(clients, name, None);
            }
            left -= names.len();
        }
        self.tries.store(0, Ordering::Relaxed);
        true
    }
}

/// Sends news to a client, or to whom it redirects them.
fn send(clients: &Clients, to: &Arc<ClientFacts>, news: News) {
    let redirect_to = to.redirect_to.load(Ordering::Relaxed);
    if redirect_to == 0 {
        let mut message = ReplyBuf::with_protocol(true);
        return to.push_with(|resp3| match resp3 {
            true => written(&mut message, &news),
            false => b"",
        });
    }
    let Some(target) = clients.get(redirect_to) else {
        return tell_broken(to, redirect_to);
    };
    let listens = target.has(client_flag::PUBSUB);
    let mut message = ReplyBuf::with_protocol(target.speaks_resp3());
    target.push_with(|resp3| {
        message.set_resp3(resp3);
        match resp3 || listens {
            true => written(&mut message, &news),
            false => b"",
        }
    });
}

fn written<'m>(message: &'m mut ReplyBuf, news: &News) -> &'m [u8] {
    if message.resp3() {
        message.push(2);
        message.bulk(b"invalidate");
    } else {
        message.array(3);
        message.bulk(b"message");
        message.bulk(CHANNEL);
    }
    match news {
        News::Everything => message.null(),
        News::Keys(keys) => {
            message.array(keys.len());
            keys.iter().for_each(|key| message.bulk(key));
        }
    }
    message.bytes()
}

/// Whom a client redirects to is gone.
fn tell_broken(to: &ClientFacts, redirect_to: u64) {
    to.set(client_flag::BROKEN_REDIRECT, true);
    let mut message = ReplyBuf::with_protocol(true);
    message.push(2);
    message.bulk(b"tracking-redir-broken");
    message.integer(redirect_to as i64);
    to.push_with(|resp3| if resp3 { message.bytes() } else { b"" });
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        tracking: Tracking,
        clients: Clients,
    }

    impl World {
        fn new() -> World {
            World {
                tracking: Tracking::new(KeyHasher::seeded(1)),
                clients: Clients::default(),
            }
        }

        fn client(&self, wish: Option<Wish>, prefixes: &[&[u8]]) -> Arc<ClientFacts> {
            let id = self.clients.next_id();
            let facts = ClientFacts::new(id, String::new(), String::new(), 0);
            facts.change_protocol(true, None);
            let facts = Arc::new(facts);
            self.clients.add(facts.clone());
            if let Some(wish) = wish {
                self.tracking.enable(&facts, wish, prefixes);
            }
            facts
        }

        fn read(&self, client: &ClientFacts, keys: &[&[u8]]) {
            self.tracking.note_read(client, keys.iter().copied());
        }

        fn change(&self, key: &[u8], by: Option<&ClientFacts>) {
            let by = by.map(|facts| facts.id);
            self.tracking.tell_changed(&self.clients, key, by);
        }
    }

    fn heard(client: &ClientFacts) -> String {
        let mut reply = ReplyBuf::new();
        client.take_pushes(&mut reply);
        let text = String::from_utf8(reply.take()).unwrap();
        let mut words = text.split("\r\n").filter(|word| !word.starts_with('$'));
        words.by_ref().collect::<Vec<_>>().join(" ").trim().into()
    }

    #[test]
    fn readers_are_told_once() {
        let world = World::new();
        let reader = world.client(Some(Wish::default()), &[]);
        let other = world.client(None, &[]);
        world.read(&reader, &[b"a", b"b", b"a"]);
        world.read(&other, &[b"a"]);
        assert_eq!(
            (world.tracking.key_count(), world.tracking.item_count()),
            (2, 2)
        );
        world.change(b"a", None);
        world.change(b"a", None);
        world.change(b"c", None);
        assert_eq!(heard(&reader), ">2 invalidate *1 a");
        assert_eq!(heard(&other), "");
        assert_eq!(
            (world.tracking.key_count(), world.tracking.item_count()),
            (1, 1)
        );
        world.tracking.tell_flushed(&world.clients);
        assert_eq!(heard(&reader), ">2 invalidate _");
        assert_eq!(
            (world.tracking.key_count(), world.tracking.item_count()),
            (0, 0)
        );
        world.tracking.disable(&reader);
        world.read(&reader, &[b"a"]);
        assert_eq!(world.tracking.key_count(), 0);
        assert!(!world.tracking.is_active());
    }

    #[test]
    fn who_is_not_told() {
        let world = World::new();
        let no_loop = Wish {
            no_loop: true,
            ..Wish::default()
        };
        let reader = world.client(Some(no_loop), &[]);
        world.read(&reader, &[b"a", b"b"]);
        world.change(b"a", Some(&reader));
        world.change(b"b", None);
        assert_eq!(heard(&reader), ">2 invalidate *1 b");
        let opt_in = Wish {
            opt_in: true,
            ..Wish::default()
        };
        let reader = world.client(Some(opt_in), &[]);
        world.read(&reader, &[b"a"]);
        reader.set(client_flag::CACHING_SAID, true);
        world.read(&reader, &[b"b"]);
        let opt_out = Wish {
            opt_out: true,
            ..Wish::default()
        };
        let other = world.client(Some(opt_out), &[]);
        world.read(&other, &[b"a"]);
        other.set(client_flag::CACHING_SAID, true);
        world.read(&other, &[b"b"]);
        world.change(b"a", None);
        world.change(b"b", None);
        assert_eq!(heard(&reader), ">2 invalidate *1 b");
        assert_eq!(heard(&other), ">2 invalidate *1 a");
    }

    #[test]
    fn prefixes_are_told_together() {
        let world = World::new();
        let wish = Wish {
            broadcast: true,
            no_loop: true,
            ..Wish::default()
        };
        let some = world.client(Some(wish), &[b"a:", b"b:"]);
        let all = world.client(Some(wish), &[]);
        for key in [&b"a:2"[..], b"a:1", b"b:1", b"c"] {
            world.change(key, None);
        }
        world.change(b"a:3", Some(&some));
        world.tracking.tell_prefixes(&world.clients);
        world.tracking.tell_prefixes(&world.clients);
        assert_eq!(
            heard(&some),
            ">2 invalidate *2 a:1 a:2 >2 invalidate *1 b:1"
        );
        assert_eq!(heard(&all), ">2 invalidate *5 a:1 a:2 a:3 b:1 c");
        assert_eq!(world.tracking.prefixes_of(some.id).len(), 2);
        world.tracking.disable(&some);
        assert_eq!(world.tracking.prefix_count(), 1);
    }

    #[test]
    fn messages_are_redirected() {
        let world = World::new();
        let target = world.client(None, &[]);
        let wish = Wish {
            redirect_to: target.id,
            ..Wish::default()
        };
        let reader = world.client(Some(wish), &[]);
        world.read(&reader, &[b"a"]);
        world.change(b"a", None);
        assert_eq!(heard(&target), ">2 invalidate *1 a");
        target.change_protocol(false, None);
        world.read(&reader, &[b"a"]);
        world.change(b"a", None);
        assert_eq!(heard(&target), "");
        target.set(client_flag::PUBSUB, true);
        world.read(&reader, &[b"a"]);
        world.change(b"a", None);
        assert_eq!(heard(&target), "*3 message __redis__:invalidate *1 a");
        world.clients.remove(target.id);
        world.read(&reader, &[b"a"]);
        world.change(b"a", None);
        let broken = format!(">2 tracking-redir-broken :{}", target.id);
        assert_eq!(heard(&reader), broken);
        assert!(reader.has(client_flag::BROKEN_REDIRECT));
    }

    #[test]
    fn what_is_too_much_is_given_up() {
        let world = World::new();
        let reader = world.client(Some(Wish::default()), &[]);
        let names: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        for name in &names {
            world.read(&reader, &[name.as_bytes()]);
        }
        world.tracking.give_up(&world.clients, 0);
        world.tracking.give_up(&world.clients, 1000);
        assert_eq!(world.tracking.key_count(), 1000);
        world.tracking.give_up(&world.clients, 10);
        assert_eq!(world.tracking.key_count(), 900);
        world.tracking.give_up(&world.clients, 10);
        assert_eq!(world.tracking.key_count(), 700);
        for _ in 0..3 {
            world.tracking.give_up(&world.clients, 10);
        }
        assert_eq!(world.tracking.key_count(), 10);
        assert_eq!(heard(&reader).matches("invalidate").count(), 990);
    }
}
