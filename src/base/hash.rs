//! The three hashes: keyed and fast for keys in memory, CRC16 for cluster slots, CRC64
//! for what is written to files.

use std::sync::LazyLock;

use crc_fast::{CrcParams, Digest};
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

/// CRC-64 as Redis has it: reflected, from 0, not inverted.
const CRC64_POLYNOMIAL: u64 = 0xad93_d235_94c9_35a9;
/// The catalogue's checksum of "123456789".
const CRC64_CHECK: u64 = 0xe9c6_d914_c4b8_d9ca;

/// With the constants that folding by carry-less multiplication needs.
static CRC64: LazyLock<CrcParams> = LazyLock::new(|| {
    let (init, reflected, xor_out) = (0, true, 0);
    CrcParams::new(
        "CRC-64/REDIS",
        64,
        CRC64_POLYNOMIAL,
        init,
        reflected,
        xor_out,
        CRC64_CHECK,
    )
});

/// Pieces shorter than this are put together first.
const PENDING_BYTES: usize = 1024;

/// The running checksum of RDB files and DUMP payloads (CRC-64 with Redis's polynomial).
///
/// It is fast on long pieces only, and a file comes record by record: so short pieces are
/// copied to a buffer, which costs a tenth of what summing each of them would.
#[derive(Clone)]
pub struct Crc64 {
    digest: Digest,
    pending: [u8; PENDING_BYTES],
    pending_len: usize,
}

impl Crc64 {
    /// The checksum of nothing, 0.
    pub fn new() -> Crc64 {
        Crc64 {
            digest: Digest::new_with_params(*CRC64),
            pending: [0; PENDING_BYTES],
            pending_len: 0,
        }
    }

    /// Takes in the next bytes.
    #[inline]
    pub fn update(&mut self, bytes: &[u8]) {
        let end = self.pending_len + bytes.len();
        match self.pending.get_mut(self.pending_len..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.pending_len = end;
            }
            None => self.sum(bytes),
        }
    }

    /// Sums what waits, and `bytes` behind it.
    #[inline(never)]
    fn sum(&mut self, bytes: &[u8]) {
        self.digest.update(&self.pending[..self.pending_len]);
        self.pending_len = 0;
        match bytes.len() < PENDING_BYTES {
            true => self.update(bytes),
            false => self.digest.update(bytes),
        }
    }

    /// The checksum of all bytes so far.
    pub fn value(&self) -> u64 {
        let mut digest = self.digest;
        digest.update(&self.pending[..self.pending_len]);
        digest.finalize()
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
        assert_eq!(crc.value(), CRC64_CHECK);
    }

    /// Bit by bit, as the polynomial is defined.
    fn crc64_by_definition(bytes: &[u8]) -> u64 {
        let reflected = CRC64_POLYNOMIAL.reverse_bits();
        bytes.iter().fold(0, |crc, byte| {
            (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { reflected } else { 0 }
            })
        })
    }

    #[test]
    fn a_checksum_does_not_depend_on_how_the_bytes_come() {
        let mut rng = Rng::seeded(7);
        let bytes: Vec<u8> = (0..20_000).map(|_| rng.next_u64() as u8).collect();
        for len in (0..300).chain([1023, 1024, 1025, 2048, 4095, bytes.len()]) {
            let bytes = &bytes[..len];
            let expect = crc64_by_definition(bytes);
            for piece in [
                1,
                7,
                52,
                255,
                256,
                1000,
                1023,
                1024,
                1025,
                3000,
                bytes.len(),
            ] {
                let mut crc = Crc64::new();
                bytes
                    .chunks(piece.max(1))
                    .for_each(|piece| crc.update(piece));
                assert_eq!(crc.value(), expect, "{len} bytes in pieces of {piece}");
            }
        }
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
