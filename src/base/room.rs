//! How much memory to ask for: sizes that the allocator has a class for, so that what it
//! would round up to is there to grow into.

/// The size class of `len` bytes: steps of 8 up to 64, then four steps in each doubling.
#[inline]
pub fn class_bytes(len: usize) -> usize {
    if len <= 64 {
        return len.next_multiple_of(8);
    }
    let step = 1 << ((len - 1).ilog2() - 2);
    len.next_multiple_of(step)
}

/// Makes room for `more` elements, and for no more than what costs nothing.
#[inline]
pub fn make_room<T>(of: &mut Vec<T>, more: usize) {
    let len = of.len() + more;
    if len > of.capacity() {
        grow(of, len);
    }
}

#[inline(never)]
fn grow<T>(of: &mut Vec<T>, len: usize) {
    of.reserve_exact(capacity_for::<T>(len) - of.len());
}

/// Gives back what is more than the elements' size class. They are moved for it: the allocator
/// itself leaves them where they are until half of the memory is free.
pub fn fit<T: Copy>(of: &mut Vec<T>) {
    let capacity = capacity_for::<T>(of.len());
    if capacity < of.capacity() {
        let mut fitting = Vec::with_capacity(capacity);
        fitting.extend_from_slice(of);
        *of = fitting;
    }
}

fn capacity_for<T>(len: usize) -> usize {
    class_bytes(len * size_of::<T>()) / size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_class_by_class_and_given_back() {
        let mut bytes: Vec<u8> = Vec::new();
        let mut capacities = Vec::new();
        for byte in 0..=200 {
            make_room(&mut bytes, 1);
            bytes.push(byte);
            capacities.push(bytes.capacity());
        }
        capacities.dedup();
        let classes = [
            8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224,
        ];
        assert_eq!(capacities, classes);
        bytes.truncate(100);
        fit(&mut bytes);
        assert_eq!(bytes.capacity(), 112);
        assert!(bytes.iter().copied().eq(0..100));
        let at = bytes.as_ptr();
        fit(&mut bytes);
        assert_eq!(bytes.as_ptr(), at);
    }
}
