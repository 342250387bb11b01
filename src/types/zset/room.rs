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
    let capacity = class_bytes(len * size_of::<T>()) / size_of::<T>();
    of.reserve_exact(capacity - of.len());
}
