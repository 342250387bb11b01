//! Huge pages: from when on, and where not.
//!
//! With them fewer pages are missed by the processor's tables, which a lookup among millions
//! of keys feels, and memory is taken into use with fewer faults. But what lies scattered,
//! as the few blocks of each size that each thread has for itself, takes a whole one wherever
//! there is anything of it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io, thread};

use super::used_bytes;

/// From this use on huge pages are worth what they may leave empty, in bytes: some 10 MB were
/// measured where 20 to 30 MB were in use.
const HUGE_PAGES_FROM_BYTES: u64 = 32 << 20;

/// Of the processor's usual huge page.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Where less of a huge page is in use than this when they are allowed, there are small ones
/// for ever: it is not the data that will fill it.
const FILL_PERCENT_MIN: usize = 75;

/// Has small pages used until there is much to hold: a server without data would own one
/// huge page per thread and kind of thing. To be called once, as early as can be.
pub fn begin_with_small_pages() {
    // Where the kernel cannot be told, the pages are what it thinks best.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Allows huge pages once enough is in use, or is about to be, except where what there is
/// by then lies scattered: in front of the data, since threads start first. What is full of
/// data by then is moved to huge pages too, by a thread of its own: it takes some
/// milliseconds. True when it is done.
pub fn allow_huge_pages_if_due(coming_bytes: u64) -> bool {
    /// Done once: what is scattered later is what data has left, and will take again.
    static ALLOWED: AtomicBool = AtomicBool::new(false);
    let due = used_bytes() as u64 + coming_bytes >= HUGE_PAGES_FROM_BYTES;
    if due && !ALLOWED.swap(true, Ordering::Relaxed) {
        // Only memory is lost where the system does not tell, or cannot be told.
        let dense = keep_scattered_small().unwrap_or_default();
        let _ = rustix::thread::disable_transparent_huge_pages(false);
        let thread = thread::Builder::new().name("huge-pages".into());
        // Without it these pages stay small.
        let _ = thread.spawn(move || dense.into_iter().for_each(collapse));
    }
    due
}

/// Gives the huge pages that are to be, for they are full enough.
fn keep_scattered_small() -> io::Result<Vec<usize>> {
    let heap = heap_mapping()?;
    let (mut untouched, mut dense) = (Vec::new(), Vec::new());
    for page in huge_pages_of(&heap) {
        let resident_percent = resident_percent(page)?;
        if resident_percent == 0 {
            untouched.push(page);
            continue;
        }
        // What is untouched behind the last that is in use is where data will come.
        for page in untouched.drain(..) {
            keep_small(page)?;
        }
        match resident_percent < FILL_PERCENT_MIN {
            true => keep_small(page)?,
            false => dense.push(page),
        }
    }
    Ok(dense)
}

/// The mapping that the allocator takes everything from, before there is much of it.
fn heap_mapping() -> io::Result<Range<usize>> {
    let inside = Box::new(0_u8);
    let address = (&raw const *inside).addr();
    let maps = fs::read_to_string("/proc/self/maps")?;
    let found = maps.lines().filter_map(range_of);
    let mut found = found.filter(|range| range.contains(&address));
    found.next().ok_or(io::ErrorKind::NotFound.into())
}

/// The addresses of a line of `/proc/self/maps`.
fn range_of(line: &str) -> Option<Range<usize>> {
    let (start, rest) = line.split_once('-')?;
    let (end, _) = rest.split_once(' ')?;
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    Some(address(start)?..address(end)?)
}

/// Where the huge pages that lie in it as a whole begin.
fn huge_pages_of(mapping: &Range<usize>) -> impl Iterator<Item = usize> {
    let first = mapping.start.next_multiple_of(HUGE_PAGE_BYTES);
    let last = mapping.end.saturating_sub(HUGE_PAGE_BYTES);
    (first..=last).step_by(HUGE_PAGE_BYTES)
}

/// How much of the memory in use a huge page there would find.
fn resident_percent(huge_page: usize) -> io::Result<usize> {
    // One byte for each page of the smallest size that there is.
    let mut pages = [0_u8; HUGE_PAGE_BYTES / 4096];
    let address = std::ptr::without_provenance_mut(huge_page);
    // SAFETY: the system writes a byte for each of its pages in these bytes, and reads nothing
    // there; where nothing is mapped it says so.
    let failed = unsafe { libc::mincore(address, HUGE_PAGE_BYTES, pages.as_mut_ptr()) } != 0;
    if failed {
        return Err(io::Error::last_os_error());
    }
    // Larger pages leave the rest of the bytes alone.
    let count = HUGE_PAGE_BYTES / rustix::param::page_size();
    let pages = pages.get(..count).unwrap_or(&pages);
    let resident = pages.iter().filter(|&&page| page & 1 == 1).count();
    Ok(resident * 100 / pages.len().max(1))
}

fn keep_small(huge_page: usize) -> io::Result<()> {
    let address = std::ptr::without_provenance_mut(huge_page);
    // SAFETY: it is the allocator's own memory, and its contents stay.
    let failed = unsafe { libc::madvise(address, HUGE_PAGE_BYTES, libc::MADV_NOHUGEPAGE) } != 0;
    match failed {
        true => Err(io::Error::last_os_error()),
        false => Ok(()),
    }
}

/// Puts what is in small pages there into a huge one. Whoever needs it meanwhile waits for
/// less than a millisecond.
fn collapse(huge_page: usize) {
    let address = std::ptr::without_provenance_mut(huge_page);
    // SAFETY: it is the allocator's own memory, and its contents stay.
    let _ = unsafe { libc::madvise(address, HUGE_PAGE_BYTES, libc::MADV_COLLAPSE) };
    // Systems before Linux 6.1 do not know it, and some have no huge page left.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps() {
        let line = "20000000000-20040000000 rw-p 00000000 00:00 0 ";
        assert_eq!(range_of(line), Some(0x200_0000_0000..0x200_4000_0000));
        assert_eq!(range_of("no line"), None);
    }

    #[test]
    fn huge_pages_lie_in_their_mapping() {
        let starts: Vec<usize> = huge_pages_of(&(0x1000..0x60_0001)).collect();
        assert_eq!(starts, [0x20_0000, 0x40_0000]);
        assert_eq!(huge_pages_of(&(0x1000..0x2000)).count(), 0);
    }

    #[test]
    fn scattered_memory_is_told_from_dense() {
        // Its first huge page is full, of its second there is one page.
        let mut memory = vec![0_u8; 4 * HUGE_PAGE_BYTES];
        let range = memory.as_mut_ptr_range();
        let mapping = range.start.addr()..range.end.addr();
        let [full, scattered] = huge_pages_of(&mapping).take(2).collect::<Vec<_>>()[..] else {
            panic!("too little");
        };
        memory[full - mapping.start..][..HUGE_PAGE_BYTES].fill(1);
        memory[scattered - mapping.start + 5] = 1;
        assert_eq!(resident_percent(full).unwrap(), 100);
        assert!(resident_percent(scattered).unwrap() < FILL_PERCENT_MIN);
        memory[full - mapping.start] = 2;
        collapse(full);
        assert_eq!(memory[full - mapping.start..][..3], [2, 1, 1]);
        keep_small(scattered).unwrap();
        resident_percent(0).unwrap_err();
        assert!(!heap_mapping().unwrap().is_empty());
        keep_scattered_small().unwrap();
    }
}
