//! The hot path does not allocate: nothing for a GET, at most the entry for a SET.

mod door;

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

use door::{Door, encode};
use lockstep::base::memory::Allocator;

/// Counts the allocations of each thread, and leaves the work to the server's allocator.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread at its very end is not counted any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes on to `Allocator` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { Allocator.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { Allocator.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { Allocator.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { Allocator.realloc(pointer, layout, size) }
    }
}

const KEYS: usize = 1000;

fn gets() -> Vec<u8> {
    let gets: Vec<Vec<String>> = (0..KEYS)
        .map(|i| vec!["GET".to_owned(), format!("key:{i}")])
        .collect();
    encode(&gets)
}

/// SETs of all keys from `first` on to values of this length.
fn sets(first: usize, value_len: usize) -> Vec<u8> {
    let value = "v".repeat(value_len);
    let set = |i| vec!["SET".to_owned(), format!("key:{i}"), value.clone()];
    let sets: Vec<Vec<String>> = (first..first + KEYS).map(set).collect();
    encode(&sets)
}

/// Allocations of one run, whose replies are forgotten.
fn allocations(door: &mut Door, input: &[u8]) -> usize {
    let before = ALLOCATIONS.get();
    door.run(input);
    let after = ALLOCATIONS.get();
    door.reply.clear();
    after - before
}

/// A door whose buffers have the size they need, and whose log has gone through its whole
/// backlog, so that its segments are used again.
fn warm(logging: bool) -> Door {
    let mut door = Door::new(logging);
    for value_len in [1000, 1000, 1000, 32] {
        allocations(&mut door, &sets(0, value_len));
        allocations(&mut door, &gets());
    }
    door
}

#[test]
fn a_get_allocates_nothing() {
    let mut door = warm(false);
    assert_eq!(allocations(&mut door, &gets()), 0);
    let value_len = door.peek(b"key:7", |entry| entry.string_bytes().map(<[u8]>::len));
    assert_eq!(value_len, Some(Some(32)), "the commands did run");
}

#[test]
fn a_set_in_place_allocates_nothing() {
    let mut door = warm(false);
    assert_eq!(allocations(&mut door, &sets(0, 32)), 0);
    assert_eq!(allocations(&mut door, &sets(0, 31)), 0);
}

#[test]
fn a_set_allocates_at_most_the_entry() {
    let mut door = warm(false);
    for value_len in [100, 200, 1000, 1] {
        let count = allocations(&mut door, &sets(0, value_len));
        assert!(count <= KEYS, "{count} allocations, {value_len} bytes");
    }
}

/// The log allocates when it seals a segment, not for a command.
#[test]
fn logging_a_set_allocates_nothing() {
    const SEGMENT_BYTES_MIN: usize = 16 << 10;
    let mut door = warm(true);
    for value_len in [100, 200, 1000, 1] {
        let input = sets(0, value_len);
        let count = allocations(&mut door, &input);
        let seals = input.len() / SEGMENT_BYTES_MIN + 2;
        assert!(
            count <= KEYS + seals,
            "{count} allocations, {value_len} bytes"
        );
    }
}

/// A new key may make its table grow, but not often.
#[test]
fn a_new_key_allocates_hardly_more_than_the_entry() {
    let mut door = warm(false);
    let mut count = 0;
    for round in 1..=20 {
        count += allocations(&mut door, &sets(round * KEYS, 32));
    }
    assert!(count <= 21 * KEYS, "{count} allocations for 20,000 keys");
}
