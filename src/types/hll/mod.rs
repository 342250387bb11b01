//! HyperLogLog: how many different elements there were, in 12 KB, with an error of 0.81%.
//!
//! An element's hash chooses one of 16384 registers with its low 14 bits; the register keeps
//! the longest run of zero bits (plus one) that the other 50 bits of any element began with.
//! The value is a string, and its bytes are those of every other server:
//!
//! ```text
//! "HYLL"  encoding  0 0 0  count (8)                registers
//!         0 dense          little-endian, as last   dense: 6 bits each, low bits first
//!         1 sparse         computed; void if its    sparse: runs of equal registers, see
//!                          highest bit is set       `sparse`
//! ```
//!
//! A sparse string becomes dense when it grows too long or a register passes 32, and stays it.

mod estimate;

mod dense;

mod sparse;

use dense::Ranks;

/// Registers: 2 to the power of `INDEX_BITS`.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Bits of a hash that zeros are counted in.
const RANK_BITS: u32 = 64 - INDEX_BITS;

const HEADER_BYTES: usize = 16;
const MAGIC: &[u8] = b"HYLL";
const ENCODING_AT: usize = 4;
const COUNT_AT: usize = 8;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// In the last byte of the count: it has to be computed anew.
const VOID: u8 = 0x80;

const HASH_SEED: u64 = 0xadc8_3b19;

/// It is not what it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// One that has seen nothing.
pub fn new() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + 2);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[SPARSE, 0, 0, 0]);
    bytes.extend_from_slice(&[0; 8]);
    sparse::put_zeros(&mut bytes, REGISTERS);
    bytes
}

/// Whether a string looks like one. What is behind the header of a sparse one is only found
/// out when it is used.
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_BYTES
        && bytes.starts_with(MAGIC)
        && match bytes[ENCODING_AT] {
            DENSE => bytes.len() == HEADER_BYTES + dense::BYTES,
            SPARSE => true,
            _ => false,
        }
}

/// Whether it is sparse. All functions from here on are for strings that `is_one` is true of.
pub fn is_sparse(bytes: &[u8]) -> bool {
    bytes[ENCODING_AT] == SPARSE
}

/// Adds an element. True if a register changed; the count is not void yet then.
pub fn add(bytes: &mut Vec<u8>, element: &[u8], sparse_max_bytes: usize) -> Result<bool, Corrupt> {
    let (index, rank) = register_of(element);
    raise(bytes, index, rank, sparse_max_bytes)
}

/// Raises a register to `rank` if it is below.
pub fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    rank: u8,
    sparse_max_bytes: usize,
) -> Result<bool, Corrupt> {
    if is_sparse(bytes) {
        match sparse::raise(bytes, HEADER_BYTES, index, rank, sparse_max_bytes)? {
            sparse::Raised::No => return Ok(false),
            sparse::Raised::Yes => return Ok(true),
            sparse::Raised::TooLong => make_dense(bytes)?,
        }
    }
    Ok(dense::raise(&mut bytes[HEADER_BYTES..], index, rank))
}

/// Makes a sparse one dense.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<(), Corrupt> {
    if is_sparse(bytes) {
        let mut merged = Merged::default();
        merged.add(bytes)?;
        merged.write_dense(bytes);
    }
    Ok(())
}

/// The count that was computed last, unless an element came since.
pub fn known_count(bytes: &[u8]) -> Option<u64> {
    let count = bytes[COUNT_AT..].first_chunk::<8>()?;
    (count[7] & VOID == 0).then(|| u64::from_le_bytes(*count))
}

/// Keeps the count that `count` gave.
pub fn keep_count(bytes: &mut [u8], count: u64) {
    bytes[COUNT_AT..COUNT_AT + 8].copy_from_slice(&count.to_le_bytes());
}

/// Something was added since the count was computed.
pub fn void_count(bytes: &mut [u8]) {
    bytes[COUNT_AT + 7] |= VOID;
}

/// How many elements there were, computed.
pub fn count(bytes: &[u8]) -> Result<u64, Corrupt> {
    let mut histogram = [0; 64];
    match is_sparse(bytes) {
        true => sparse::read(&bytes[HEADER_BYTES..], |_, len, rank| {
            histogram[usize::from(rank)] += len as u32;
        })?,
        false => {
            let mut ranks = Box::<Ranks>::default();
            ranks.raise_all(&bytes[HEADER_BYTES..]);
            fill_histogram(&ranks, &mut histogram);
        }
    }
    Ok(estimate::count(&histogram))
}

fn fill_histogram(ranks: &Ranks, histogram: &mut [u32; 64]) {
    // Neighbours are often equal; counting them apart keeps one from waiting for the other.
    let mut parts = [[0u32; 64]; 4];
    for four in ranks.unordered().as_chunks::<4>().0 {
        for (part, rank) in parts.iter_mut().zip(four) {
            part[usize::from(rank & 63)] += 1;
        }
    }
    for part in parts {
        for (total, count) in histogram.iter_mut().zip(part) {
            *total += count;
        }
    }
}

/// The registers of several, the highest of each.
#[derive(Default)]
pub struct Merged {
    ranks: Box<Ranks>,
    /// Whether any of them is dense.
    any_dense: bool,
}

impl Merged {
    /// What is corrupt may have been merged in part.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Corrupt> {
        if is_sparse(bytes) {
            return sparse::read(&bytes[HEADER_BYTES..], |index, len, rank| {
                if rank > 0 {
                    (index..index + len).for_each(|index| self.ranks.raise(index, rank));
                }
            });
        }
        self.any_dense = true;
        self.ranks.raise_all(&bytes[HEADER_BYTES..]);
        Ok(())
    }

    pub fn count(&self) -> u64 {
        let mut histogram = [0; 64];
        fill_histogram(&self.ranks, &mut histogram);
        estimate::count(&histogram)
    }

    /// In the order of the registers.
    pub fn registers(&self) -> impl Iterator<Item = u8> {
        self.ranks.iter()
    }

    /// Writes them to one that has been added itself, or is new: dense if any of them is, or
    /// if it cannot stay sparse.
    pub fn write(&self, bytes: &mut Vec<u8>, sparse_max_bytes: usize) -> Result<(), Corrupt> {
        if !self.any_dense && self.raise_sparse(bytes, sparse_max_bytes)? {
            return Ok(());
        }
        self.write_dense(bytes);
        Ok(())
    }

    /// Raises one register after the other, as others do it. False if it has to become dense.
    fn raise_sparse(&self, bytes: &mut Vec<u8>, bytes_max: usize) -> Result<bool, Corrupt> {
        for (index, rank) in self.ranks.iter().enumerate() {
            if rank > 0
                && let sparse::Raised::TooLong =
                    sparse::raise(bytes, HEADER_BYTES, index, rank, bytes_max)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn write_dense(&self, bytes: &mut Vec<u8>) {
        if is_sparse(bytes) {
            bytes[ENCODING_AT] = DENSE;
            // Exactly as long as it is for ever.
            bytes.truncate(HEADER_BYTES);
            bytes.reserve_exact(dense::BYTES);
            bytes.resize(HEADER_BYTES + dense::BYTES, 0);
        }
        self.ranks.pack(&mut bytes[HEADER_BYTES..]);
    }
}

/// What a sparse one is made of, for people: runs of zeros in one byte (`z`) or two (`Z`),
/// runs of a value (`v`). Whatever is there is shown, also what makes no sense.
pub fn describe(bytes: &[u8]) -> String {
    sparse::describe(&bytes[HEADER_BYTES..])
}

/// The register of an element, and the rank it has there.
fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur64a(element, HASH_SEED);
    let index = hash as usize & (REGISTERS - 1);
    // A bit behind the last one ends every run.
    let rest = hash >> INDEX_BITS | 1 << RANK_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// MurmurHash64A, reading little-endian on every machine.
fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(FACTOR);
        k = (k ^ k >> SHIFT).wrapping_mul(FACTOR);
        hash = (hash ^ k).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}

#[cfg(test)]
mod tests;
