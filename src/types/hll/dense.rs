//! Registers of six bits, one behind the other, low bits first.
//!
//! ```text
//! byte      0        1        2
//! register  11000000 22221111 33333322      four registers in three bytes
//! ```

use super::REGISTERS;

pub const BYTES: usize = REGISTERS * 6 / 8;

const MASK: u32 = 63;

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
    let fours = ranks.as_chunks_mut::<4>().0;
    for (four, three) in fours.iter_mut().zip(bytes.as_chunks::<3>().0) {
        let word = u32::from_le_bytes([three[0], three[1], three[2], 0]);
        *four = [0, 6, 12, 18].map(|shift| (word >> shift & MASK) as u8);
    }
    ranks
}

/// The reverse; ranks have six bits.
pub fn pack(ranks: &[u8; REGISTERS], bytes: &mut [u8]) {
    let fours = ranks.as_chunks::<4>().0;
    for (four, three) in fours.iter().zip(bytes.as_chunks_mut::<3>().0) {
        let [a, b, c, d] = four.map(u32::from);
        let word = a | b << 6 | c << 12 | d << 18;
        three.copy_from_slice(&word.to_le_bytes()[..3]);
    }
}
