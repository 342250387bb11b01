//! LZF, the compression of strings inside an RDB file.
//!
//! A packed string is a run of instructions. A control byte below 32 is followed by that
//! many literals plus one; any other holds a match: three bits of length (seven means that
//! another byte adds to it), thirteen bits of distance, the low eight in a byte of its own.
//!
//! The packer is ours because a snapshot tries it on every string above twenty bytes, most
//! of which do not compress: it clears no table between strings, writes nothing before the
//! first match, and on long strings looks at fewer and fewer places the longer it finds
//! nothing.

/// The longest string that is not worth an attempt.
pub const UNPACKED_LEN_MAX: usize = 20;
/// A packed string must be this much shorter than the string.
const SAVED_BYTES_MIN: usize = 4;
/// The shortest match looked for; three bytes save nothing once the literals are cut in two.
const MATCH_LEN_MIN: usize = 4;
const MATCH_LEN_MAX: usize = 264;
const DISTANCE_MAX: usize = 1 << 13;
const LITERALS_MAX: usize = 32;
/// Strings up to this length use a part of the table that stays in the nearest cache.
const SHORT_LEN_MAX: usize = 512;
const SHORT_TABLE_BITS: u32 = 10;
const TABLE_BITS: u32 = 14;
const TABLE_LEN: usize = 1 << TABLE_BITS;
const PROBE_BITS: u32 = 12;
/// After so many places without a match the packer starts to skip places.
const PATIENCE_BITS: u32 = 6;

/// The best an LZF instruction can do: three bytes make 264.
const RATIO_MAX: u64 = 88;

/// Whether a packed string of this length can unpack to that length at all: asked before
/// anything is allocated for a length that only the file claims.
pub fn may_unpack_to(packed_len_bytes: u64, len_bytes: u64) -> bool {
    len_bytes > 0 && len_bytes <= packed_len_bytes.saturating_mul(RATIO_MAX)
}

/// Packs strings one after the other. It owns the table of places seen (64 KiB).
pub struct Packer {
    /// For each hash of four bytes where they stood last, counted on from `base`, so that
    /// what earlier strings left behind is below `base` and needs no clearing.
    table: Box<[u32; TABLE_LEN]>,
    base: u32,
}

impl Default for Packer {
    fn default() -> Self {
        Packer {
            table: Box::new([0; TABLE_LEN]),
            base: 1,
        }
    }
}

impl Packer {
    /// Appends the packed form of `input` to `out` and returns true, or leaves `out` as it is
    /// when that would save fewer than four bytes.
    pub fn pack(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        if input.len() <= UNPACKED_LEN_MAX || !self.begin(input.len()) {
            return false;
        }
        let short = input.len() <= SHORT_LEN_MAX;
        if short && !self.repeats(input) {
            return false;
        }
        let bits = if short { SHORT_TABLE_BITS } else { TABLE_BITS };
        let start = out.len();
        let packed = self.pack_with(bits, input, out);
        if !packed {
            out.truncate(start);
        }
        packed
    }

    /// Makes room in the numbering of places; false for a string too long to be numbered.
    fn begin(&mut self, len_bytes: usize) -> bool {
        // The probe and the packing each number the string's places once.
        let Ok(places) = u32::try_from(len_bytes.saturating_mul(2)) else {
            return false;
        };
        if self.base.checked_add(places).is_none() {
            self.table.fill(0);
            self.base = 1;
        }
        places < u32::MAX
    }

    /// Whether anything occurs twice that would save what packing must save. A match that
    /// does is at least seven bytes long, so it holds four bytes at a multiple of four:
    /// only those are remembered, and all others are looked up without a branch.
    fn repeats(&mut self, input: &[u8]) -> bool {
        let base = self.base;
        self.base += input.len() as u32;
        let last = input.len().saturating_sub(8);
        let mut at = 0;
        while let Some(word) = input.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*word);
            let fours = [0, 8, 16, 24].map(|shift| (word >> shift) as u32);
            let slots = fours.map(|four| hash(four, PROBE_BITS));
            let seen = slots.map(|slot| self.table[slot & (TABLE_LEN - 1)]);
            if seen.iter().max() >= Some(&base) {
                let mut pairs = fours.iter().zip(seen);
                if pairs.any(|(four, seen)| match_start(input, *four, seen, base, at + 3).is_some())
                {
                    return true;
                }
            }
            self.table[slots[0] & (TABLE_LEN - 1)] = base + at as u32;
            if at == last {
                break;
            }
            at = last.min(at + 4);
        }
        false
    }

    fn pack_with(&mut self, bits: u32, input: &[u8], out: &mut Vec<u8>) -> bool {
        let base = self.base;
        self.base += input.len() as u32;
        let out_len_max = out.len() + input.len() - SAVED_BYTES_MIN;
        let mut literals_from = 0;
        let mut at = 0;
        while let Some(four) = four_at(input, at) {
            let slot = hash(four, bits) & (TABLE_LEN - 1);
            let seen = self.table[slot];
            self.table[slot] = base + at as u32;
            let Some(from) = match_start(input, four, seen, base, at) else {
                at += 1 + ((at - literals_from) >> PATIENCE_BITS);
                continue;
            };
            let back = common_suffix_len(&input[..from], &input[literals_from..at]);
            let (from, to) = (from - back, at - back);
            let len = match_len(input, from, to);
            put_literals(out, &input[literals_from..to]);
            put_match(out, to - from, len);
            if out.len() > out_len_max {
                return false;
            }
            at = to + len;
            literals_from = at;
            if let Some(four) = four_at(input, at - 2) {
                self.table[hash(four, bits) & (TABLE_LEN - 1)] = base + at as u32 - 2;
            }
        }
        // Without a match there is nothing to gain, and nothing was written so far.
        if literals_from == 0 {
            return false;
        }
        put_literals(out, &input[literals_from..]);
        out.len() <= out_len_max
    }
}

#[inline]
fn four_at(input: &[u8], at: usize) -> Option<u32> {
    input
        .get(at..)?
        .first_chunk::<4>()
        .map(|four| u32::from_le_bytes(*four))
}

#[inline]
fn hash(four: u32, bits: u32) -> usize {
    (four.wrapping_mul(0x9E37_79B1) >> (32 - bits)) as usize
}

/// Where the four bytes at `at` stood before, if the place the table remembers is of this
/// string, near enough, and really holds them.
#[inline]
fn match_start(input: &[u8], four: u32, seen: u32, base: u32, at: usize) -> Option<usize> {
    let from = seen.checked_sub(base)? as usize;
    (at - from <= DISTANCE_MAX && four_at(input, from) == Some(four)).then_some(from)
}

fn common_suffix_len(a: &[u8], b: &[u8]) -> usize {
    a.iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count()
}

fn match_len(input: &[u8], from: usize, to: usize) -> usize {
    let end = input.len().min(to + MATCH_LEN_MAX);
    let (mut a, mut b) = (&input[from..], &input[to..end]);
    let mut len = 0;
    while let (Some((x, a_rest)), Some((y, b_rest))) =
        (a.split_first_chunk(), b.split_first_chunk())
    {
        let differing = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differing != 0 {
            return len + (differing.trailing_zeros() / 8) as usize;
        }
        (a, b) = (a_rest, b_rest);
        len += 8;
    }
    len + a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn put_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn put_match(out: &mut Vec<u8>, distance: usize, len: usize) {
    debug_assert!((MATCH_LEN_MIN..=MATCH_LEN_MAX).contains(&len));
    let distance = distance - 1;
    let (high, low) = ((distance >> 8) as u8, distance as u8);
    let code = len - 2;
    if code < 7 {
        out.extend_from_slice(&[high | (code as u8) << 5, low]);
    } else {
        out.extend_from_slice(&[high | 7 << 5, (code - 7) as u8, low]);
    }
}

/// A packed string that does not unpack to exactly what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLzf;

/// Appends what `packed` unpacks to, which must be exactly `len_bytes` long. Ask
/// `may_unpack_to` first: room for `len_bytes` is reserved at once.
pub fn unpack(packed: &[u8], len_bytes: usize, out: &mut Vec<u8>) -> Result<(), BadLzf> {
    let start = out.len();
    let end = start + len_bytes;
    out.reserve(len_bytes);
    let mut rest = packed;
    while let Some((&control, after)) = rest.split_first() {
        let control = usize::from(control);
        if control < LITERALS_MAX {
            let (literals, after) = after.split_at_checked(control + 1).ok_or(BadLzf)?;
            if out.len() + literals.len() > end {
                return Err(BadLzf);
            }
            out.extend_from_slice(literals);
            rest = after;
        } else {
            rest = unpack_match(control, after, start, end, out)?;
        }
    }
    if out.len() == end {
        Ok(())
    } else {
        Err(BadLzf)
    }
}

fn unpack_match<'a>(
    control: usize,
    mut rest: &'a [u8],
    start: usize,
    end: usize,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], BadLzf> {
    let mut len = (control >> 5) + 2;
    if control >> 5 == 7 {
        let (&more, after) = rest.split_first().ok_or(BadLzf)?;
        len += usize::from(more);
        rest = after;
    }
    let (&low, rest) = rest.split_first().ok_or(BadLzf)?;
    let distance = ((control & 0x1F) << 8 | usize::from(low)) + 1;
    if distance > out.len() - start || out.len() + len > end {
        return Err(BadLzf);
    }
    // A match may reach into what it is itself writing; each copy doubles what is there.
    let from = out.len() - distance;
    while len > 0 {
        let copied = len.min(out.len() - from);
        out.extend_from_within(from..from + copied);
        len -= copied;
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(input: &[u8]) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        let ok = Packer::default().pack(input, &mut out);
        assert_eq!(&out[..6], b"before");
        if !ok {
            assert_eq!(out.len(), 6);
        }
        ok.then(|| out.split_off(6))
    }

    fn unpacked(packed: &[u8], len_bytes: usize) -> Result<Vec<u8>, BadLzf> {
        let mut out = b"before".to_vec();
        unpack(packed, len_bytes, &mut out)?;
        Ok(out.split_off(6))
    }

    #[test]
    fn what_repeats_is_packed() {
        for (input, at_most) in [
            (vec![b'a'; 21], 7),
            (vec![b'x'; 100], 8),
            (vec![0; 100_000], 1200),
            (b"hello world ".repeat(20), 25),
            (b"0123456789abcdefghij0123456789abcdefghij".to_vec(), 25),
        ] {
            let out = packed(&input).expect("it compresses");
            assert!(out.len() <= at_most, "{} of {}", out.len(), input.len());
            assert_eq!(unpacked(&out, input.len()), Ok(input.clone()));
            assert_eq!(lzf::decompress(&out, input.len()).as_ref(), Ok(&input));
            assert!(may_unpack_to(out.len() as u64, input.len() as u64));
        }
    }

    #[test]
    fn what_does_not_repeat_is_left_alone() {
        let distinct: Vec<u8> = (0..=255).collect();
        for input in [
            &b"aaaaaaaaaaaaaaaaaaaa"[..],
            &distinct,
            b"abcdefghijklmnopqrstuvwxyzabc",
        ] {
            assert_eq!(packed(input), None);
        }
    }

    #[test]
    fn matches_of_every_length_and_distance_come_back() {
        let noise: Vec<u8> = (0..9000u32)
            .map(|i| (i.wrapping_mul(2654435761) >> 13) as u8)
            .collect();
        for len in [4, 5, 6, 7, 8, 9, 10, 100, 263, 264, 265, 266, 600] {
            for distance in [700, 8190, 8191, 8192, 8193, 8200] {
                let mut input = noise[..distance].to_vec();
                input.extend_from_slice(&noise[..len]);
                input.extend_from_slice(&[7; 30]);
                let out = packed(&input).expect("the tail compresses");
                assert_eq!(
                    unpacked(&out, input.len()),
                    Ok(input),
                    "{len} back {distance}"
                );
            }
        }
    }

    #[test]
    fn a_liar_gets_an_error() {
        let input = b"hello world ".repeat(20);
        let out = packed(&input).unwrap();
        assert_eq!(unpacked(&out, input.len() - 1), Err(BadLzf));
        assert_eq!(unpacked(&out, input.len() + 1), Err(BadLzf));
        for end in 0..out.len() {
            assert_eq!(unpacked(&out[..end], input.len()), Err(BadLzf));
        }
        // Distances before the start, matches and literals cut short.
        for bad in [
            &[0x20, 0][..],
            &[0, b'a', 0x20, 1],
            &[0xE0],
            &[0xE0, 0],
            &[5, b'a'],
        ] {
            assert_eq!(unpacked(bad, 9), Err(BadLzf));
        }
        assert!(!may_unpack_to(10, 881) && may_unpack_to(10, 880) && !may_unpack_to(0, 1));
    }

    #[test]
    fn the_numbering_of_places_may_wrap() {
        let input = b"hello world ".repeat(20);
        let mut packer = Packer {
            base: u32::MAX - 500,
            ..Packer::default()
        };
        for _ in 0..5 {
            let mut out = Vec::new();
            assert!(packer.pack(&input, &mut out));
            assert_eq!(unpacked(&out, input.len()), Ok(input.clone()));
        }
        assert!(packer.base < 2000);
    }

    proptest! {
        #[test]
        fn anything_comes_back(
            words in prop::collection::vec(prop::collection::vec(0u8..4, 1..40), 0..60),
            again in prop::collection::vec(0u8..=255, 0..300),
        ) {
            let mut packer = Packer::default();
            for input in [words.concat(), again.clone(), [again.clone(), again].concat()] {
                let mut out = Vec::new();
                if packer.pack(&input, &mut out) {
                    prop_assert!(out.len() + SAVED_BYTES_MIN <= input.len());
                    prop_assert_eq!(lzf::decompress(&out, input.len()).unwrap(), input.clone());
                    prop_assert_eq!(unpacked(&out, input.len()), Ok(input));
                } else {
                    prop_assert!(out.is_empty());
                }
            }
        }

        #[test]
        fn noise_unpacks_as_the_crate_does_or_is_refused(
            noise in prop::collection::vec(0u8..=255, 1..60),
            len in 1usize..300,
        ) {
            if let Ok(ours) = unpacked(&noise, len) {
                prop_assert_eq!(lzf::decompress(&noise, len), Ok(ours));
            }
        }
    }
}
