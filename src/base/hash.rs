//! The three hashes: keyed and fast for keys in memory, CRC16 for cluster slots, CRC64
//! for what is written to files.

use crc::{CRC_64_REDIS, Crc, Digest, Table};
use rapidhash::v3::{RapidSecrets, rapidhash_v3_micro_inline};

use super::rng::Rng;

/// Hashes keys under a secret of its own, so that nobody outside can choose keys that
/// collide. All 64 bits are equally good.
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher {
    secrets: RapidSecrets,
}

impl KeyHasher {
    /// A hasher whose secret nobody knows.
    pub fn random() -> KeyHasher {
        KeyHasher::seeded(Rng::from_entropy().next_u64())
    }

    /// A hasher that gives the same hashes for the same seed, for tests.
    pub const fn seeded(seed: u64) -> KeyHasher {
        KeyHasher {
            secrets: RapidSecrets::seed(seed),
        }
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        rapidhash_v3_micro_inline::<true, false>(key, &self.secrets)
    }
}

static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// The running checksum of RDB files and DUMP payloads (CRC-64 with Redis's polynomial).
#[derive(Clone)]
pub struct Crc64 {
    digest: Digest<'static, u64, Table<16>>,
}

impl Crc64 {
    /// The checksum of nothing, 0.
    pub fn new() -> Crc64 {
        Crc64 {
            digest: CRC64.digest(),
        }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
    }

    /// The checksum of all bytes so far.
    pub fn value(&self) -> u64 {
        self.digest.clone().finalize()
    }
}

impl Default for Crc64 {
    fn default() -> Crc64 {
        Crc64::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_the_catalogue() {
        let mut crc = Crc64::new();
        assert_eq!(crc.value(), 0);
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn a_key_hash_depends_on_key_and_seed() {
        let hasher = KeyHasher::seeded(1);
        assert_eq!(hasher.hash(b"key"), KeyHasher::seeded(1).hash(b"key"));
        assert_ne!(hasher.hash(b"key"), hasher.hash(b"kez"));
        assert_ne!(hasher.hash(b"key"), KeyHasher::seeded(2).hash(b"key"));
        assert_ne!(hasher.hash(b""), hasher.hash(b"\0"));
        assert_ne!(
            KeyHasher::random().hash(b"key"),
            KeyHasher::random().hash(b"key")
        );
    }

    #[test]
    fn every_bit_of_a_key_hash_is_set_half_of_the_time() {
        let hasher = KeyHasher::seeded(3);
        let hashes: Vec<u64> = (0..4000)
            .map(|i| hasher.hash(format!("key:{i}").as_bytes()))
            .collect();
        for bit in 0..64 {
            let ones = hashes.iter().filter(|&h| h >> bit & 1 == 1).count();
            assert!((1800..2200).contains(&ones), "bit {bit}: {ones}");
        }
    }
}
