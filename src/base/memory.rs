//! The process's allocator: mimalloc, and a count of what is in use.
//!
//! mimalloc is compiled to align to 8 bytes only (`.cargo/config.toml`), so that 56 bytes
//! are 56 and not 64; every larger alignment is asked for explicitly here.
//!
//! The count is kept in one cell per thread, so that counting costs a load and a store. Cells
//! are handed out once; threads that come when there are none left share the first one.

mod pages;

/// Owners of memory that are smaller than a pointer.
pub mod block;

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};

pub use pages::{allow_huge_pages_if_due, begin_with_small_pages};

/// What mimalloc aligns to without being asked.
const ALIGN_BYTES: usize = 8;
/// Cells of the count; cell 0 is the shared one.
const CELLS: usize = 256;

/// As long as less is in use, `tidy` returns every empty page.
const THOROUGHLY_BELOW_BYTES: usize = 64 << 20;

/// The global allocator of the binaries: `#[global_allocator] static A: Allocator = Allocator;`
pub struct Allocator;

/// Has the allocator give back to the system what it keeps for later, as far as this
/// thread may ask for it.
pub fn give_back() {
    // SAFETY: it may be called at any time; it touches nothing that is in use.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// An empty buffer whose memory is in use by the system's reckoning, too. Whoever fills it under
/// a lock waits for no new page then: a huge one can take milliseconds where the machine is
/// virtual and its host has to find the memory first.
pub fn touched_buffer(capacity_bytes: usize) -> Vec<u8> {
    // No zeros: new pages hold them already and would be left alone.
    let mut buffer = vec![1; capacity_bytes];
    // Or what nobody reads might never be written.
    std::hint::black_box(&mut buffer).clear();
    buffer
}

/// What the allocator tells of itself, for people.
pub fn report() -> String {
    let mut text = String::new();
    // SAFETY: `text` outlives the call, which is the only one that uses it meanwhile.
    unsafe { libmimalloc_sys::mi_stats_print_out(Some(append), (&raw mut text).cast()) };
    text
}

/// # Safety
/// `line` ends with a zero, and `text` points to a `String` that nobody else uses.
unsafe extern "C" fn append(line: *const c_char, text: *mut c_void) {
    // SAFETY: by the caller's contract.
    unsafe {
        let line = CStr::from_ptr(line).to_string_lossy();
        (*text.cast::<String>()).push_str(&line);
    }
}

/// Takes back what other threads have freed of this thread's memory, and returns pages that are
/// empty. The allocator does so by itself only where it allocates next: pages of sizes that are
/// not asked for any more, as those of tables that have grown, would stay. Takes some
/// microseconds for each 10 MB of the thread's, a millisecond at most where that was measured.
///
/// As long as little is in use, the empty page that the allocator keeps of each size counts as
/// well, and looking everywhere takes no time: they are returned too.
pub fn tidy() {
    let thoroughly = used_bytes() < THOROUGHLY_BELOW_BYTES;
    // SAFETY: may be called at any time.
    unsafe { libmimalloc_sys::mi_collect(thoroughly) }
}

/// Bytes allocated and not freed, by the sizes asked for; 0 where `Allocator` is not the
/// global allocator. A sum of cells that others go on changing.
pub fn used_bytes() -> usize {
    let cells = COUNTS.iter().take(CELLS_TAKEN.load(Relaxed));
    let sum: i64 = cells.map(|cell| cell.0.load(Relaxed)).sum();
    usize::try_from(sum).unwrap_or(0)
}

/// The same of this thread alone, less what it has freed that others allocated: how much more
/// it has taken since is the difference of two of these.
pub fn thread_bytes() -> i64 {
    let cell = CELL.try_with(Cell::get).unwrap_or(1).max(1);
    COUNTS[cell - 1].0.load(Relaxed)
}

#[repr(align(64))]
struct Count(AtomicI64);

static COUNTS: [Count; CELLS] = [const { Count(AtomicI64::new(0)) }; CELLS];
static CELLS_TAKEN: AtomicUsize = AtomicUsize::new(1);

thread_local! {
    /// The thread's cell plus one, 0 as long as it has none.
    static CELL: Cell<usize> = const { Cell::new(0) };
}

#[inline]
fn count(change: i64) {
    let cell = CELL.try_with(Cell::get).unwrap_or(1);
    if cell > 1 {
        // The only thread that writes this cell.
        let count = &COUNTS[cell - 1].0;
        count.store(count.load(Relaxed) + change, Relaxed);
    } else {
        count_slow(cell, change);
    }
}

#[cold]
fn count_slow(cell: usize, change: i64) {
    if cell == 0 {
        let taken = CELLS_TAKEN.fetch_add(1, Relaxed);
        let cell = if taken < CELLS { taken } else { 0 };
        // A thread at its very end has no cell any more, and counts in the shared one.
        let _ = CELL.try_with(|own| own.set(cell + 1));
    }
    COUNTS[0].0.fetch_add(change, Relaxed);
}

// SAFETY: memory comes from mimalloc, which keeps the allocator's contract for 8 bytes of
// alignment with its plain calls and for more with its aligned ones; `free` takes both.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not 0, by the caller's contract.
        let memory = unsafe {
            match layout.align() <= ALIGN_BYTES {
                true => libmimalloc_sys::mi_malloc(layout.size()),
                false => libmimalloc_sys::mi_malloc_aligned(layout.size(), layout.align()),
            }
        };
        counted(memory.cast(), layout.size())
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not 0, by the caller's contract.
        let memory = unsafe {
            match layout.align() <= ALIGN_BYTES {
                true => libmimalloc_sys::mi_zalloc(layout.size()),
                false => libmimalloc_sys::mi_zalloc_aligned(layout.size(), layout.align()),
            }
        };
        counted(memory.cast(), layout.size())
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the memory came from the calls above.
        unsafe { libmimalloc_sys::mi_free(memory.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the memory came from the calls above.
        let new = unsafe {
            match layout.align() <= ALIGN_BYTES {
                true => libmimalloc_sys::mi_realloc(memory.cast(), size),
                false => libmimalloc_sys::mi_realloc_aligned(memory.cast(), size, layout.align()),
            }
        };
        if !new.is_null() {
            count(size as i64 - layout.size() as i64);
        }
        new.cast()
    }
}

#[inline]
fn counted(memory: *mut u8, size: usize) -> *mut u8 {
    if !memory.is_null() {
        count(size as i64);
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_classes_entries_rely_on_exist() {
        // 16-byte keys with 32-byte values: rounding 56 to 64 would cost 8 bytes a key.
        for (asked, granted) in [(8, 8), (24, 24), (40, 40), (56, 56), (80, 80), (160, 160)] {
            // SAFETY: fresh memory, freed once.
            unsafe {
                let memory = libmimalloc_sys::mi_malloc(asked);
                assert_eq!(libmimalloc_sys::mi_usable_size(memory), granted, "{asked}");
                libmimalloc_sys::mi_free(memory);
            }
        }
    }

    #[test]
    fn alignments_are_kept_and_bytes_counted() {
        for align in [1, 8, 16, 64, 128, 4096] {
            for size in [1, 24, 64, 3008, 100_000] {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: fresh memory, freed once with the layout it has.
                unsafe {
                    let before = used_bytes();
                    let memory = Allocator.alloc_zeroed(layout);
                    assert_eq!(memory as usize % align, 0, "{size} bytes at {align}");
                    assert!(used_bytes() >= before + size);
                    let memory = Allocator.realloc(memory, layout, 2 * size);
                    assert_eq!(memory as usize % align, 0, "{size} bytes at {align}");
                    let twice = Layout::from_size_align(2 * size, align).unwrap();
                    Allocator.dealloc(memory, twice);
                    assert_eq!(used_bytes(), before);
                }
            }
        }
    }
}
