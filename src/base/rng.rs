//! A small and fast generator (xoshiro256++), for picks that must be fair but not
//! secret, and for ids when it comes fresh from the system's entropy.

use std::hash::{BuildHasher, RandomState};

/// Random numbers from a seed; the same seed gives the same numbers for ever.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// Every seed is good, 0 included.
    pub fn seeded(seed: u64) -> Rng {
        let mut mixer = seed;
        Rng {
            state: std::array::from_fn(|_| split_mix(&mut mixer)),
        }
    }

    /// A generator nobody can guess from outside. What one generator gave is enough to
    /// compute what it gives next, so secrets need a fresh one each.
    pub fn from_entropy() -> Rng {
        // The standard library keys its hash tables from the system's entropy; a keyed
        // SipHash of four different words spreads that key over the state.
        let keyed = RandomState::new();
        let mut state: [u64; 4] = std::array::from_fn(|word| keyed.hash_one(word));
        state[0] |= 1;
        Rng { state }
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A fair number below `bound`; 0 if `bound` is 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product is the pick; the few low halves that would make
        // some picks more likely than others are drawn again.
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            let low = product as u64;
            if low >= bound || low >= bound.wrapping_neg().checked_rem(bound).unwrap_or(0) {
                return (product >> 64) as u64;
            }
        }
    }

    /// 40 lower-case hexadecimal digits: the form of run ids and replication ids.
    pub fn hex_id(&mut self) -> [u8; 40] {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut id = [0; 40];
        for chunk in id.chunks_mut(16) {
            let mut bits = self.next_u64();
            for digit in chunk {
                *digit = DIGITS[(bits & 15) as usize];
                bits >>= 4;
            }
        }
        id
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        let draw = |seed| {
            let mut rng = Rng::seeded(seed);
            [rng.next_u64(), rng.next_u64(), rng.below(1000)]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(draw(0), [0; 3]);
    }

    #[test]
    fn below_is_fair_and_bounded() {
        let mut rng = Rng::seeded(1);
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
        let mut seen = [0u32; 6];
        for _ in 0..60_000 {
            seen[rng.below(6) as usize] += 1;
        }
        assert!(
            seen.iter().all(|&n| (9_500..10_500).contains(&n)),
            "{seen:?}"
        );
        let half = (0..1000)
            .filter(|_| rng.below(u64::MAX) > u64::MAX / 2)
            .count();
        assert!((400..600).contains(&half), "{half}");
    }

    #[test]
    fn ids_are_hexadecimal_and_differ() {
        let id = Rng::from_entropy().hex_id();
        assert!(id.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')));
        assert_ne!(id, Rng::from_entropy().hex_id());
    }
}
