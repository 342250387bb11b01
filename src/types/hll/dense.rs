//! Registers of six bits, one behind the other, low bits first.
//!
//! ```text
//! byte      0        1        2
//! register  11000000 22221111 33333322      four registers in three bytes
//! ```
//!
//! What goes over all of them goes through `Ranks`, a byte for each: in an order in which
//! the compiler makes vector code of the way there and back.

use super::REGISTERS;
use multiversion::multiversion;

pub const BYTES: usize = REGISTERS * 6 / 8;

const MASK: u8 = 63;

/// Raises a register to `rank` if it is below. Whether it was.
pub fn raise(bytes: &mut [u8], index: usize, rank: u8) -> bool {
    const MASK_32: u32 = MASK as u32;
    let at = index / 4 * 3;
    let Some(three) = bytes[at..].first_chunk_mut::<3>() else {
        return false;
    };
    let word = u32::from_le_bytes([three[0], three[1], three[2], 0]);
    let shift = index % 4 * 6;
    if word >> shift & MASK_32 >= u32::from(rank) {
        return false;
    }
    let word = word & !(MASK_32 << shift) | u32::from(rank) << shift;
    three.copy_from_slice(&word.to_le_bytes()[..3]);
    true
}

/// So many threes of bytes make a block: what a vector of AVX2 has one byte of each of.
const THREES: usize = 32;
const BLOCKS: usize = REGISTERS / (4 * THREES);

/// The registers of a block, a byte each: the first of every three bytes, then the second
/// of every three, and so on.
type Planes = [[u8; THREES]; 4];

/// All registers, a byte each.
pub struct Ranks([Planes; BLOCKS]);

impl Default for Ranks {
    fn default() -> Ranks {
        Ranks([[[0; THREES]; 4]; BLOCKS])
    }
}

impl Ranks {
    /// Raises one to `rank` if it is below.
    pub fn raise(&mut self, index: usize, rank: u8) {
        let own = &mut self.0[index / (4 * THREES)][index % 4][index / 4 % THREES];
        *own = rank.max(*own);
    }

    /// Raises each to the one of these registers if it is below.
    pub fn raise_all(&mut self, bytes: &[u8]) {
        raise_planes(&mut self.0, bytes);
    }

    /// Writes all as registers; ranks have six bits.
    pub fn pack(&self, bytes: &mut [u8]) {
        pack_planes(&self.0, bytes);
    }

    /// In the order of the registers.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        let rank = |index: usize| self.0[index / (4 * THREES)][index % 4][index / 4 % THREES];
        (0..REGISTERS).map(rank)
    }

    /// In any order.
    pub fn unordered(&self) -> &[u8] {
        self.0.as_flattened().as_flattened()
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn raise_planes(ranks: &mut [Planes; BLOCKS], bytes: &[u8]) {
    let blocks = bytes.as_chunks::<{ 3 * THREES }>().0;
    for (planes, block) in ranks.iter_mut().zip(blocks) {
        let threes = block.as_chunks::<3>().0;
        let [p, q, r, s] = planes;
        for i in 0..THREES {
            let [a, b, c] = threes[i];
            p[i] = p[i].max(a & MASK);
            q[i] = q[i].max((a >> 6 | b << 2) & MASK);
            r[i] = r[i].max((b >> 4 | c << 4) & MASK);
            s[i] = s[i].max(c >> 2);
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn pack_planes(ranks: &[Planes; BLOCKS], bytes: &mut [u8]) {
    let blocks = bytes.as_chunks_mut::<{ 3 * THREES }>().0;
    for ([p, q, r, s], block) in ranks.iter().zip(blocks) {
        let threes = block.as_chunks_mut::<3>().0;
        for i in 0..THREES {
            threes[i] = [
                p[i] | q[i] << 6,
                q[i] >> 2 | r[i] << 4,
                r[i] >> 4 | s[i] << 2,
            ];
        }
    }
}
