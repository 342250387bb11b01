//! Bitmaps: strings as rows of bits, and numbers of any width in them.
//!
//! ```text
//! byte  0                 1
//! bit   0 1 2 3 4 5 6 7   8 9 ...     the highest bit of a byte comes first
//! ```
//!
//! What goes over whole strings (counting, searching, combining) goes in blocks of words that
//! the compiler makes vector code of. What lies behind the end of a string reads as 0.

use crate::table::prefetch;
use multiversion::multiversion;
use multiversion::target::selected_target;
use std::ptr::NonNull;

/// The bit at `at`; 0 behind the end.
pub fn get(bytes: &[u8], at: u64) -> bool {
    let byte = usize::try_from(at / 8).ok().and_then(|i| bytes.get(i));
    byte.is_some_and(|byte| byte & mask(at) != 0)
}

/// Sets the bit at `at`, which must not lie behind the end, and gives the one that was there.
pub fn set(bytes: &mut [u8], at: u64, bit: bool) -> bool {
    let byte = &mut bytes[(at / 8) as usize];
    let old = *byte & mask(at) != 0;
    match bit {
        true => *byte |= mask(at),
        false => *byte &= !mask(at),
    }
    old
}

fn mask(at: u64) -> u8 {
    0x80 >> (at % 8)
}

/// How many bytes a string needs to have a bit at `at`.
pub fn bytes_for(at: u64) -> usize {
    (at / 8) as usize + 1
}

/// A number of words that are worked on at once: two vectors of the least of machines.
const LANES: usize = 4;
type Lanes = [u64; LANES];
const LANES_BYTES: usize = LANES * 8;

#[inline(always)]
fn lanes(words: &[[u8; 8]], index: usize) -> Lanes {
    let mut lanes = [0; LANES];
    for i in 0..LANES {
        lanes[i] = u64::from_ne_bytes(words[index * LANES + i]);
    }
    lanes
}

/// How many bits are 1.
#[multiversion(targets(
    "x86_64+avx512f+avx512vpopcntdq",
    "x86_64+avx2+popcnt",
    "x86_64+popcnt"
))]
pub fn count(bytes: &[u8]) -> u64 {
    // Known when each version is compiled.
    match selected_target!().supports_feature_str("avx512vpopcntdq") {
        true => count_each(bytes),
        false => count_carries(bytes),
    }
}

/// Counts every word: as fast as memory where an instruction counts a vector of them.
#[inline(always)]
fn count_each(bytes: &[u8]) -> u64 {
    let (words, bytes) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_ne_bytes(*word));
    let words: u64 = words.map(|word| u64::from(word.count_ones())).sum();
    let bytes: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    words + u64::from(bytes)
}

/// Sixteen groups of words go through a tree of full adders, bit by bit, so that only the
/// carries of weight 16 have to be counted (the method is Harley and Seal's): twice as fast
/// as counting every word where there is no instruction for it to build upon, and with the
/// wider vectors that most machines have three times as fast again.
#[inline(always)]
fn count_carries(bytes: &[u8]) -> u64 {
    const ZERO: Lanes = [0; LANES];
    let (mut ones, mut twos, mut fours, mut eights) = (ZERO, ZERO, ZERO, ZERO);
    // Each lane apart: to add them up takes longer than to count them.
    let mut sixteens = ZERO;
    let mut blocks = bytes.chunks_exact(16 * LANES_BYTES);
    for block in &mut blocks {
        ask_ahead(block);
        let (words, _) = block.as_chunks::<8>();
        let at = |i| lanes(words, i);
        let (a, one) = add(ones, at(0), at(1));
        let (b, one) = add(one, at(2), at(3));
        let (c, two) = add(twos, a, b);
        let (a, one) = add(one, at(4), at(5));
        let (b, one) = add(one, at(6), at(7));
        let (d, two) = add(two, a, b);
        let (low, four) = add(fours, c, d);
        let (a, one) = add(one, at(8), at(9));
        let (b, one) = add(one, at(10), at(11));
        let (c, two) = add(two, a, b);
        let (a, one) = add(one, at(12), at(13));
        let (b, one) = add(one, at(14), at(15));
        let (d, two) = add(two, a, b);
        let (high, four) = add(four, c, d);
        let (carry, eight) = add(eights, low, high);
        (ones, twos, fours, eights) = (one, two, four, eight);
        for i in 0..LANES {
            sixteens[i] += u64::from(carry[i].count_ones());
        }
    }
    16 * sixteens.iter().sum::<u64>()
        + 8 * count_words(&eights)
        + 4 * count_words(&fours)
        + 2 * count_words(&twos)
        + count_words(&ones)
        + count_each(blocks.remainder())
}

/// Asks for the memory that is to be counted in a while. The machine does so by itself only
/// up to the end of a page, and begins anew in the next.
#[inline(always)]
fn ask_ahead(block: &[u8]) {
    const AHEAD_BYTES: usize = 2048;
    const LINE_BYTES: usize = 64;
    for line in block.chunks(LINE_BYTES) {
        // It does no harm behind the end of the string.
        let ahead = line.as_ptr().wrapping_add(AHEAD_BYTES);
        NonNull::new(ahead.cast_mut())
            .into_iter()
            .for_each(prefetch);
    }
}

#[inline(always)]
fn count_words(words: &Lanes) -> u64 {
    words.iter().map(|word| u64::from(word.count_ones())).sum()
}

/// A full adder for every bit: carry and sum of three.
#[inline(always)]
fn add(a: Lanes, b: Lanes, c: Lanes) -> (Lanes, Lanes) {
    let (mut carry, mut sum) = ([0; LANES], [0; LANES]);
    for i in 0..LANES {
        let half = a[i] ^ b[i];
        carry[i] = (a[i] & b[i]) | (half & c[i]);
        sum[i] = half ^ c[i];
    }
    (carry, sum)
}

/// The part of a string between two of its bits, both included.
struct Between<'b> {
    /// The first byte and what counts of it; both ends may lie in it.
    first: (u8, u8),
    middle: &'b [u8],
    /// The last byte, if it is another one, and what counts of it.
    last: Option<(u8, u8)>,
}

impl<'b> Between<'b> {
    fn new(bytes: &'b [u8], first: u64, last: u64) -> Between<'b> {
        let (from, to) = ((first / 8) as usize, (last / 8) as usize);
        let head = 0xff >> (first % 8);
        let tail = !(0x7f >> (last % 8));
        match from == to {
            true => Between {
                first: (bytes[from], head & tail),
                middle: &[],
                last: None,
            },
            false => Between {
                first: (bytes[from], head),
                middle: &bytes[from + 1..to],
                last: Some((bytes[to], tail)),
            },
        }
    }
}

/// How many bits are 1 between `first` and `last`, which must lie in the string.
pub fn count_between(bytes: &[u8], first: u64, last: u64) -> u64 {
    let part = Between::new(bytes, first, last);
    let ends = [Some(part.first), part.last].into_iter().flatten();
    let ends: u32 = ends.map(|(byte, mask)| (byte & mask).count_ones()).sum();
    u64::from(ends) + count(part.middle)
}

/// Where the first `bit` is between `first` and `last`, which must lie in the string.
pub fn find_between(bytes: &[u8], bit: bool, first: u64, last: u64) -> Option<u64> {
    // What is searched is a 1 in the string or in its complement.
    let flip = if bit { 0 } else { 0xff };
    let in_byte = |(byte, mask): (u8, u8)| {
        let byte = (byte ^ flip) & mask;
        (byte != 0).then(|| u64::from(byte.leading_zeros()))
    };
    let part = Between::new(bytes, first, last);
    let start = first / 8;
    if let Some(at) = in_byte(part.first) {
        return Some(8 * start + at);
    }
    if let Some(index) = find_other_byte(part.middle, flip) {
        let at = in_byte((part.middle[index], 0xff))?;
        return Some(8 * (start + 1 + index as u64) + at);
    }
    Some(8 * (last / 8) + in_byte(part.last?)?)
}

/// The first byte that is not `than`.
fn find_other_byte(bytes: &[u8], than: u8) -> Option<usize> {
    let is_plain = |block: &[u8]| block.iter().fold(0, |all, byte| all | (byte ^ than)) == 0;
    let mut at = 0;
    for block in bytes.chunks_exact(8 * LANES_BYTES) {
        if !is_plain(block) {
            break;
        }
        at += block.len();
    }
    let found = bytes[at..].iter().position(|byte| *byte != than);
    found.map(|index| at + index)
}

/// How strings are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    And,
    Or,
    Xor,
    /// Of the first string alone.
    Not,
}

/// Strings combined bit by bit, one after the other.
pub struct Combined {
    operation: Operation,
    bytes: Vec<u8>,
    len: usize,
    is_first: bool,
}

impl Combined {
    /// Nothing yet; no string to come is longer than `len`.
    pub fn new(operation: Operation, len: usize) -> Combined {
        Combined {
            operation,
            bytes: Vec::with_capacity(len),
            len,
            is_first: true,
        }
    }

    pub fn add(&mut self, next: &[u8]) {
        if std::mem::take(&mut self.is_first) {
            match self.operation {
                Operation::Not => self.bytes.extend(next.iter().map(|byte| !byte)),
                _ => self.bytes.extend_from_slice(next),
            }
            self.bytes.resize(self.len, 0);
            return;
        }
        let (both, behind) = self.bytes.split_at_mut(next.len());
        let pairs = both.iter_mut().zip(next);
        match self.operation {
            Operation::And => {
                pairs.for_each(|(byte, next)| *byte &= next);
                behind.fill(0);
            }
            Operation::Or => pairs.for_each(|(byte, next)| *byte |= next),
            Operation::Xor | Operation::Not => pairs.for_each(|(byte, next)| *byte ^= next),
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A kind of number in a bitmap: its width and whether it has a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    signed: bool,
    /// 1 to 64, to 63 without a sign.
    width: u8,
}

/// What becomes of a number that a field cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Its low bits are kept.
    Wrap,
    /// The nearest one is taken.
    Saturate,
    /// Nothing happens.
    Fail,
}

impl Field {
    /// Signed ones have up to 64 bits, others up to 63.
    pub fn new(signed: bool, width: i64) -> Option<Field> {
        let width_max = if signed { 64 } else { 63 };
        let width = u8::try_from(width).ok()?;
        (1..=width_max)
            .contains(&width)
            .then_some(Field { signed, width })
    }

    pub fn width(self) -> u64 {
        u64::from(self.width)
    }

    /// The number whose highest bit is at `at`.
    pub fn read(self, bytes: &[u8], at: u64) -> i64 {
        // The nine bytes that a field of 64 bits may touch, as one number.
        let window = (0..9).fold(0u128, |window, i| {
            let byte = usize::try_from(at / 8 + i).ok().and_then(|i| bytes.get(i));
            window << 8 | u128::from(byte.copied().unwrap_or(0))
        });
        let low = (window >> (72 - at % 8 - self.width())) as u64;
        let unused = 64 - u32::from(self.width);
        match self.signed {
            true => (low << unused) as i64 >> unused,
            false => (low << unused >> unused) as i64,
        }
    }

    /// Writes the low bits of `value`; the string must be long enough.
    pub fn write(self, bytes: &mut [u8], at: u64, value: i64) {
        for i in 0..self.width() {
            let bit = value >> (self.width() - 1 - i) & 1;
            set(bytes, at + i, bit != 0);
        }
    }

    /// What is kept of `value`; `None` if it does not fit and `overflow` is to fail.
    pub fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let max = self.highest();
        let min = if self.signed { -max - 1 } else { 0 };
        if (min..=max).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(value.clamp(min, max) as i64),
            Overflow::Wrap => {
                let unused = 64 - u32::from(self.width);
                let shifted = (value as u64) << unused;
                Some(match self.signed {
                    true => shifted as i64 >> unused,
                    false => (shifted >> unused) as i64,
                })
            }
        }
    }

    fn highest(self) -> i128 {
        (1 << (self.width - u8::from(self.signed))) - 1
    }

    /// A number that is to be set, as the field sees it: what is negative is enormous where
    /// there is no sign. And where there is one, if it is so low that in Redis its distance
    /// from the highest overflows.
    pub fn given(self, value: i64) -> i128 {
        match self.signed {
            true => {
                let distance = self.highest() - i128::from(value);
                let is_too_low = self.width < 64 && distance > i128::from(i64::MAX);
                i128::from(value) + i128::from(is_too_low) * (1 << 64)
            }
            false => i128::from(value as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn random_bytes(rng: &mut Rng, len: usize) -> Vec<u8> {
        let density = rng.below(4);
        (0..len)
            .map(|_| match density {
                0 => 0,
                1 => 0xff,
                _ if rng.below(50) > 0 && density == 2 => 0,
                _ => rng.next_u64() as u8,
            })
            .collect()
    }

    #[test]
    fn counting_and_finding_against_a_naive_model() {
        let mut rng = Rng::seeded(1);
        for round in 0..3000 {
            let len = 1 + rng.below(if round % 10 == 0 { 3000 } else { 40 }) as usize;
            let bytes = random_bytes(&mut rng, len);
            let (a, b) = (rng.below(8 * len as u64), rng.below(8 * len as u64));
            let (first, last) = (a.min(b), a.max(b));
            let ones = (first..=last).filter(|at| get(&bytes, *at)).count();
            assert_eq!(count_between(&bytes, first, last), ones as u64);
            assert_eq!(count(&bytes), count_between(&bytes, 0, 8 * len as u64 - 1));
            // Each machine's `count` is one of these.
            assert_eq!(count_each(&bytes), count(&bytes));
            assert_eq!(count_carries(&bytes), count(&bytes));
            for bit in [false, true] {
                let found = (first..=last).find(|at| get(&bytes, *at) == bit);
                assert_eq!(find_between(&bytes, bit, first, last), found);
            }
        }
    }

    #[test]
    fn the_first_bit_is_the_highest() {
        let mut bytes = [0; 2];
        assert!(!set(&mut bytes, 0, true) && !set(&mut bytes, 15, true));
        assert_eq!(bytes, [0x80, 1]);
        assert!(set(&mut bytes, 0, false) && !get(&bytes, 0) && get(&bytes, 15));
        assert!(!get(&bytes, 16) && !get(&bytes, u64::MAX));
        assert_eq!((bytes_for(7), bytes_for(8)), (1, 2));
    }

    fn combine(operation: Operation, strings: &[&[u8]]) -> Vec<u8> {
        let len = strings.iter().map(|bytes| bytes.len()).max().unwrap_or(0);
        let mut combined = Combined::new(operation, len);
        strings.iter().for_each(|bytes| combined.add(bytes));
        combined.finish()
    }

    #[test]
    fn combining_against_a_naive_model() {
        let mut rng = Rng::seeded(2);
        for _ in 0..500 {
            let strings: Vec<Vec<u8>> = (0..1 + rng.below(5))
                .map(|_| {
                    let len = rng.below(70) as usize;
                    random_bytes(&mut rng, len)
                })
                .collect();
            let slices: Vec<&[u8]> = strings.iter().map(Vec::as_slice).collect();
            let len = slices.iter().map(|bytes| bytes.len()).max().unwrap();
            let column = |i: usize| slices.iter().map(move |s| s.get(i).copied().unwrap_or(0));
            let expect = |combine: fn(u8, u8) -> u8| -> Vec<u8> {
                let rows = 0..len;
                rows.map(|i| column(i).reduce(combine).unwrap()).collect()
            };
            assert_eq!(combine(Operation::And, &slices), expect(|a, b| a & b));
            assert_eq!(combine(Operation::Or, &slices), expect(|a, b| a | b));
            assert_eq!(combine(Operation::Xor, &slices), expect(|a, b| a ^ b));
            let not: Vec<u8> = strings[0].iter().map(|byte| !byte).collect();
            assert_eq!(combine(Operation::Not, &slices[..1]), not);
        }
        assert_eq!(combine(Operation::Or, &[]), b"");
    }

    #[test]
    fn fields_keep_what_is_written_and_nothing_else_changes() {
        let mut rng = Rng::seeded(3);
        for _ in 0..5000 {
            let signed = rng.below(2) == 0;
            let width = 1 + rng.below(if signed { 64 } else { 63 });
            let field = Field::new(signed, width as i64).unwrap();
            let at = rng.below(100);
            let mut bytes = random_bytes(&mut rng, 24);
            let before = bytes.clone();
            let given = i128::from(rng.next_u64() as i64);
            let value = field.fit(given, Overflow::Wrap).unwrap();
            field.write(&mut bytes, at, value);
            assert_eq!(field.read(&bytes, at), value);
            assert_eq!((value as i128 - given) % (1 << width), 0);
            for i in (0..at).chain(at + width..192) {
                assert_eq!(get(&bytes, i), get(&before, i));
            }
            // Behind the end there are zeros.
            bytes.truncate(((at + width).div_ceil(8)) as usize);
            assert_eq!(field.read(&bytes, at), value);
            assert_eq!(field.read(&bytes, 8 * bytes.len() as u64), 0);
        }
    }

    #[test]
    fn what_does_not_fit() {
        let check = |signed, width, value: i128, wrapped, saturated| {
            let field = Field::new(signed, width).unwrap();
            assert_eq!(field.fit(value, Overflow::Wrap), Some(wrapped));
            assert_eq!(field.fit(value, Overflow::Saturate), Some(saturated));
            let fits = wrapped == saturated;
            assert_eq!(field.fit(value, Overflow::Fail).is_some(), fits);
        };
        check(true, 8, 127, 127, 127);
        check(true, 8, 128, -128, 127);
        check(true, 8, -129, 127, -128);
        check(true, 64, i128::from(i64::MAX) + 1, i64::MIN, i64::MAX);
        check(true, 64, i128::from(i64::MIN) - 1, i64::MAX, i64::MIN);
        check(true, 1, 1, -1, 0);
        check(false, 8, 256, 0, 255);
        check(false, 8, -1, 255, 0);
        check(false, 63, 1 << 63, 0, i64::MAX);
        assert_eq!(Field::new(false, 63).unwrap().given(-1), u64::MAX.into());
        let field = Field::new(true, 40).unwrap();
        let lowest = i64::MIN + (1 << 39);
        assert_eq!(field.given(lowest), lowest.into());
        let too_low = field.given(lowest - 1);
        assert_eq!(field.fit(too_low, Overflow::Saturate), Some((1 << 39) - 1));
        assert_eq!(field.fit(too_low, Overflow::Wrap), Some((1 << 39) - 1));
        assert_eq!(field.fit(too_low, Overflow::Fail), None);
        assert_eq!(field.fit(field.given(i64::MIN), Overflow::Wrap), Some(0));
        assert_eq!(
            Field::new(true, 64).unwrap().given(i64::MIN),
            i64::MIN.into()
        );
        for (signed, width) in [(true, 0), (true, 65), (false, 64), (false, -1), (true, 256)] {
            assert_eq!(Field::new(signed, width), None);
        }
    }
}
