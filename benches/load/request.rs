//! Makes requests: prepared forms into which keys and values are written.

use std::ops::Range;

use crate::options::{Mode, Options};

const KEY_PREFIX: &[u8] = b"key:";

/// What stands for a number in a command of `--command`; it has as many digits.
const NUMBER: &str = "__rand_int__";
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

/// One command as it goes over the wire, and where its numbers and its value are in it.
struct Form {
    bytes: Vec<u8>,
    numbers: Vec<Range<usize>>,
    value: Range<usize>,
}

/// Appends requests as the options ask for them.
pub struct Requests {
    get: Form,
    set: Form,
    mode: Mode,
    get_percent: u64,
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
            get: Form::get_or_set(&[b"GET", &key]),
            set: match &options.command {
                Some(command) => Form::template(command),
                None => Form::get_or_set(&set),
            },
            mode: options.mode,
            get_percent: options.get_percent,
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
            let mut number = self.first_key + self.pick_key();
            let form = if get { &self.get } else { &self.set };
            let start = out.len();
            out.extend_from_slice(&form.bytes);
            let request = &mut out[start..];
            for (index, range) in form.numbers.iter().enumerate() {
                if index > 0 && self.mode != Mode::Fill {
                    number = self.first_key + self.rng.below(self.keys);
                }
                write_digits(&mut request[range.clone()], number);
            }
            for piece in request[form.value.clone()].chunks_mut(8) {
                piece.copy_from_slice(&self.rng.next().to_le_bytes()[..piece.len()]);
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

/// Writes the low digits of `number`, as many as there is room for.
#[inline]
fn write_digits(digits: &mut [u8], mut number: u64) {
    for byte in digits.iter_mut().rev() {
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// How many keys can be told apart at this length.
pub fn keys_max(key_bytes: usize) -> u64 {
    let digits = key_bytes.saturating_sub(KEY_PREFIX.len());
    10_u64.pow(digits.min(KEY_DIGITS_MAX) as u32)
}

impl Form {
    /// The key's number is in its last digits; the third argument is a value, random bytes.
    fn get_or_set(args: &[&[u8]]) -> Self {
        let (bytes, parts) = encode(args);
        let key = parts[1].clone();
        let digits = (key.len() - KEY_PREFIX.len()).min(KEY_DIGITS_MAX);
        Self {
            bytes,
            numbers: std::iter::once(key.end - digits..key.end).collect(),
            value: parts.get(2).cloned().unwrap_or(0..0),
        }
    }

    /// Any command, by spaces, with numbers where it says so.
    fn template(command: &str) -> Self {
        let args: Vec<&[u8]> = command.split_whitespace().map(str::as_bytes).collect();
        let (bytes, _) = encode(&args);
        let text = String::from_utf8_lossy(&bytes);
        let found = text.match_indices(NUMBER);
        let numbers = found.map(|(at, _)| at..at + NUMBER.len()).collect();
        Self {
            bytes,
            numbers,
            value: 0..0,
        }
    }
}

/// The request, and where its arguments are in it.
fn encode(args: &[&[u8]]) -> (Vec<u8>, Vec<Range<usize>>) {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    let mut parts = Vec::new();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        parts.push(bytes.len()..bytes.len() + arg.len());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    (bytes, parts)
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

    fn first_request(args: &str) -> String {
        let args = args.split('|').map(str::to_owned);
        let options = Options::parse(args).unwrap().unwrap();
        let mut out = Vec::new();
        Requests::new(&options).append(1, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_key_ends_with_its_number() {
        assert_eq!(
            first_request("--first|907|--keys|1"),
            "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000907\r\n"
        );
        assert_eq!(
            first_request("--first|42|--keys|1|--key-bytes|7"),
            "*2\r\n$3\r\nGET\r\n$7\r\nkey:042\r\n"
        );
    }

    #[test]
    fn numbers_go_into_a_command_wherever_it_wants_them() {
        assert_eq!(
            first_request("--command|ZADD z __rand_int__ m:__rand_int__|--first|7|--keys|1"),
            "*4\r\n$4\r\nZADD\r\n$1\r\nz\r\n$12\r\n000000000007\r\n\
             $14\r\nm:000000000007\r\n"
        );
    }
}
