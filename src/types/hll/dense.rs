//! Registers of six bits, one behind the other, low bits first.
//!
//! ```text
//! byte      0        1        2
//! register  11000000 22221111 33333322      four registers in three bytes
//! ```

use super::REGISTERS;

pub const BYTES: usize = REGISTERS * 6 / 8;

const MASK: u32 = 63;

/// Of each half of a word, which has four registers in 24 bits: the lower two, the upper two.
const LOW_12: u64 = 0x0000_0fff_0000_0fff;
const HIGH_12: u64 = 0x00ff_f000_00ff_f000;
/// Of each quarter, which has two registers in 12 bits: the lower one, the upper one.
const LOW_6: u64 = 0x003f_003f_003f_003f;
const HIGH_6: u64 = 0x0fc0_0fc0_0fc0_0fc0;

/// Raises a register to `rank` if it is below. Whether it was.
pub fn raise(bytes: &mut [u8], index: usize, rank: u8) -> bool {
    let at = index / 4 * 3;
    let Some(three) = bytes[at..].first_chunk_mut::<3>() else {
        return false;
    };
    let word = u32::from_le_bytes([three[0], three[1], three[2], 0]);
    let shift = index % 4 * 6;
    if word >> shift & MASK >= u32::from(rank) {
        return false;
    }
    let word = word & !(MASK << shift) | u32::from(rank) << shift;
    three.copy_from_slice(&word.to_le_bytes()[..3]);
    true
}

/// All registers, a byte each.
pub fn unpack(bytes: &[u8]) -> Box<[u8; REGISTERS]> {
    let mut ranks = Box::new([0; REGISTERS]);
    let eights = ranks.as_chunks_mut::<8>().0;
    for (eight, six) in eights.iter_mut().zip(bytes.as_chunks::<6>().0) {
        let &[a, b, c, d, e, f] = six;
        let low = u32::from_le_bytes([a, b, c, d]) & 0x00ff_ffff;
        let high = u32::from_le_bytes([c, d, e, f]) >> 8;
        let word = u64::from(low) | u64::from(high) << 32;
        let word = word & LOW_12 | (word & HIGH_12) << 4;
        let word = word & LOW_6 | (word & HIGH_6) << 2;
        *eight = word.to_le_bytes();
    }
    ranks
}

/// Raises ranks to the registers where these are higher.
pub fn raise_all(ranks: &mut [u8; REGISTERS], bytes: &[u8]) {
    let registers = unpack(bytes);
    for (own, rank) in ranks.iter_mut().zip(registers.iter()) {
        *own = (*own).max(*rank);
    }
}

/// The reverse of `unpack`; ranks have six bits.
pub fn pack(ranks: &[u8; REGISTERS], bytes: &mut [u8]) {
    let eights = ranks.as_chunks::<8>().0;
    for (eight, six) in eights.iter().zip(bytes.as_chunks_mut::<6>().0) {
        let word = u64::from_le_bytes(*eight);
        let word = word & LOW_6 | word >> 2 & HIGH_6;
        let word = word & LOW_12 | word >> 4 & HIGH_12;
        let word = word & 0x00ff_ffff | word >> 8 & 0xffff_ff00_0000;
        six.copy_from_slice(&word.to_le_bytes()[..6]);
    }
}
