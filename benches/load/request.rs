//! Makes requests: prepared forms into which keys and values are written.

use crate::options::{Mode, Options};

const KEY_PREFIX: &[u8] = b"key:";
const KEY_DIGITS_MAX: usize = 12;

/// A fast generator of random numbers (Weyl sequence and multiply-fold).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let wide = u128::from(self.0) * u128::from(self.0 ^ 0xd1b5_4a32_d192_ed03);
        (wide >> 64) as u64 ^ wide as u64
    }

    #[inline]
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}

/// A random order of the numbers below `count` that needs no memory: mixes within the next power
/// of two by steps which each can be undone, and mixes again what falls outside.
pub struct Shuffle {
    count: u64,
    mask: u64,
    half_bits: u32,
    factors: [u64; 3],
}

impl Shuffle {
    pub fn new(count: u64, rng: &mut Rng) -> Self {
        let mask = count.max(2).next_power_of_two() - 1;
        Self {
            count,
            mask,
            half_bits: mask.count_ones().div_ceil(2),
            factors: [rng.next() | 1, rng.next() | 1, rng.next() | 1],
        }
    }

    /// The number at `position`, which must be below the count.
    pub fn at(&self, position: u64) -> u64 {
        let mut number = position;
        loop {
            for factor in self.factors {
                number = number.wrapping_mul(factor).wrapping_add(factor >> 32) & self.mask;
                number ^= number >> self.half_bits;
            }
            if number < self.count {
                return number;
            }
        }
    }
}

/// One command as it goes over the wire, and where its key and value are in it.
struct Form {
    bytes: Vec<u8>,
    key_at: usize,
    value_at: usize,
}

/// Appends requests as the options ask for them.
pub struct Requests {
    get: Form,
    set: Form,
    mode: Mode,
    get_percent: u64,
    key_bytes: usize,
    value_bytes: usize,
    first_key: u64,
    keys: u64,
    shuffle: Shuffle,
    shuffle_at: u64,
    rng: Rng,
}

impl Requests {
    pub fn new(options: &Options) -> Self {
        let mut rng = Rng::new(options.seed);
        let mut key = KEY_PREFIX.to_vec();
        key.resize(options.key_bytes, b'0');
        let value = vec![b'0'; options.value_bytes];
        let ttl = options.ttl_s.map(|seconds| seconds.to_string());
        let mut set: Vec<&[u8]> = vec![b"SET", &key, &value];
        if let Some(seconds) = &ttl {
            set.extend([b"EX", seconds.as_bytes()]);
        }
        Self {
            get: form(&[b"GET", &key]),
            set: form(&set),
            mode: options.mode,
            get_percent: options.get_percent,
            key_bytes: options.key_bytes,
            value_bytes: options.value_bytes,
            first_key: options.first_key,
            keys: options.keys,
            shuffle: Shuffle::new(options.keys, &mut rng),
            shuffle_at: 0,
            rng,
        }
    }

    /// Appends `count` requests to `out`.
    pub fn append(&mut self, count: u64, out: &mut Vec<u8>) {
        for _ in 0..count {
            let get = match self.mode {
                Mode::Get => true,
                Mode::Set | Mode::Fill => false,
                Mode::Mixed => self.rng.below(100) < self.get_percent,
            };
            let key = self.first_key + self.pick_key();
            let form = if get { &self.get } else { &self.set };
            let start = out.len();
            out.extend_from_slice(&form.bytes);
            let request = &mut out[start..];
            write_key(&mut request[form.key_at..][..self.key_bytes], key);
            if !get {
                let value = &mut request[form.value_at..][..self.value_bytes];
                for piece in value.chunks_mut(8) {
                    piece.copy_from_slice(&self.rng.next().to_le_bytes()[..piece.len()]);
                }
            }
        }
    }

    fn pick_key(&mut self) -> u64 {
        if self.mode != Mode::Fill {
            return self.rng.below(self.keys);
        }
        let position = self.shuffle_at;
        self.shuffle_at = (position + 1) % self.keys;
        self.shuffle.at(position)
    }
}

/// Writes `number` in decimal over the end of a key; the rest of the key stays as it is.
#[inline]
fn write_key(key: &mut [u8], number: u64) {
    let digits = (key.len() - KEY_PREFIX.len()).min(KEY_DIGITS_MAX);
    let mut number = number;
    for byte in key.iter_mut().rev().take(digits) {
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// How many keys can be told apart at this length.
pub fn keys_max(key_bytes: usize) -> u64 {
    let digits = key_bytes.saturating_sub(KEY_PREFIX.len());
    10_u64.pow(digits.min(KEY_DIGITS_MAX) as u32)
}

fn form(args: &[&[u8]]) -> Form {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    let mut starts = Vec::new();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        starts.push(bytes.len());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    Form {
        bytes,
        key_at: starts[1],
        value_at: starts.get(2).copied().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_names_every_number_once() {
        for count in [1, 2, 3, 7, 64, 1000, 4097] {
            let shuffle = Shuffle::new(count, &mut Rng::new(count));
            let mut seen: Vec<u64> = (0..count).map(|at| shuffle.at(at)).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..count), "{count}");
        }
    }

    #[test]
    fn a_key_ends_with_its_number() {
        let mut key = *b"key:0000000000000000";
        write_key(&mut key, 907);
        assert_eq!(&key, b"key:0000000000000907");
        let mut short = *b"key:000";
        write_key(&mut short, 42);
        assert_eq!(&short, b"key:042");
    }
}
