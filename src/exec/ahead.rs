//! Fetching keys into the cache ahead of requests that come from several connections, one
//! each. (Those of a pipeline are fetched with their group.)

use super::plan::{GROUP_MAX, add_shard};
use crate::resp::argv::{ArgRange, Argv};
use crate::resp::request::{Limits, Parsed, Parser};
use crate::store::keyspace::Keyspace;
use crate::store::locked::{Locker, Want};

/// Requests that were read and have not run, in the order in which they will.
#[derive(Default)]
pub struct Ahead {
    /// Databases and hashes of keys that were not fetched yet.
    keys: Vec<(u32, u64)>,
    /// So many requests whose keys were fetched are still to run.
    fetched: usize,
    ranges: Vec<ArgRange>,
    shards: Vec<u16>,
}

impl Ahead {
    /// Notes the request, if `input` is a single one. Its key is guessed to be the first
    /// argument: where there is none, something is fetched in vain.
    #[inline]
    pub fn note(&mut self, keyspace: &Keyspace, db: u32, input: &[u8]) -> bool {
        if !input.starts_with(b"*") || !input.ends_with(b"\r\n") {
            return false;
        }
        self.ranges.clear();
        let parsed = Parser::new().parse(input, &Limits::default(), &mut self.ranges);
        let is_single = match parsed {
            Ok(Parsed::Complete { consumed_bytes, .. }) => consumed_bytes == input.len(),
            _ => false,
        };
        let has_key = self.ranges.len() > 1;
        if is_single && has_key {
            let argv = Argv {
                bytes: input,
                ranges: &self.ranges,
            };
            self.keys.push((db, keyspace.hasher.hash(argv.get(1))));
        }
        is_single && has_key
    }

    /// To be called before a noted request runs. With no others there is nothing to gain.
    #[inline]
    pub fn fetch(&mut self, keyspace: &Keyspace, locker: &mut Locker) {
        if self.fetched == 0 {
            self.fetched = self.keys.len().min(GROUP_MAX);
            self.fetch_next(keyspace, locker);
        }
        self.fetched = self.fetched.saturating_sub(1);
    }

    fn fetch_next(&mut self, keyspace: &Keyspace, locker: &mut Locker) {
        let keys = &self.keys[..self.fetched];
        self.shards.clear();
        for &(_, hash) in keys {
            add_shard(keyspace, hash, &mut self.shards);
        }
        if keys.len() > 1
            && let Ok(locked) = keyspace.try_lock(locker, Want::Shards(&self.shards))
        {
            for keys in keys.chunk_by(|(db, _), (next, _)| db == next) {
                locked.prefetch(keys[0].0, keys.iter().map(|&(_, hash)| hash));
            }
        }
        self.keys.drain(..self.fetched);
    }

    /// All that was noted has run, or will not.
    pub fn forget(&mut self) {
        self.keys.clear();
        self.fetched = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::KeyHasher;

    #[test]
    fn single_whole_requests_with_a_key_are_noted() {
        let keyspace = Keyspace::new(16, 4, 1, KeyHasher::seeded(1));
        let mut ahead = Ahead::default();
        let get: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
        assert!(ahead.note(&keyspace, 3, get));
        assert_eq!(ahead.keys, [(3, keyspace.hasher.hash(b"k"))]);
        for other in [
            &get[..get.len() - 2],
            &get[1..],
            &get.repeat(2),
            b"*1\r\n$4\r\nPING\r\n",
            b"*-1\r\n",
            b"*9999999999\r\n",
            b"GET k\r\n",
            b"",
        ] {
            assert!(!ahead.note(&keyspace, 0, other), "{other:?}");
        }
        assert_eq!(ahead.keys.len(), 1);
    }

    #[test]
    fn keys_are_fetched_in_groups_as_their_requests_run() {
        let keyspace = Keyspace::new(16, 4, 1, KeyHasher::seeded(1));
        let mut locker = Locker::new(&keyspace, 0);
        let mut ahead = Ahead::default();
        for n in 0..GROUP_MAX as u64 + 3 {
            ahead.keys.push(((n % 2) as u32, n << 8));
        }
        for left in (0..GROUP_MAX).rev() {
            ahead.fetch(&keyspace, &mut locker);
            assert_eq!((ahead.fetched, ahead.keys.len()), (left, 3));
        }
        ahead.fetch(&keyspace, &mut locker);
        assert_eq!((ahead.fetched, ahead.keys.len()), (2, 0));
        ahead.forget();
        ahead.fetch(&keyspace, &mut locker);
        assert_eq!(ahead.fetched, 0);
    }
}
