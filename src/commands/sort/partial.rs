//! Quicksort of a part, as Bentley and McIlroy describe it ("Engineering a sort function",
//! 1993): what is equal to the pivot gathers at both ends and is swapped into the middle.
//!
//! ```text
//! =======  <<<<<<<  ???????  >>>>>>>  =======
//!        a        b         c       d
//! ```
//!
//! It is not stable, and where much is equal its result is that of no other algorithm: the
//! other servers sort so when they need a part only. Following one of them, we must.

use std::cmp::Ordering;
use std::ops::Range;

/// Fewer are sorted by insertion.
const FEW: usize = 7;
/// From more than this the pivot is found among nine, else among three.
const MANY: usize = 40;

/// Sorts so that `part` holds what it would hold if everything were sorted.
pub fn sort<T>(items: &mut [T], part: Range<usize>, compare: &impl Fn(&T, &T) -> Ordering) {
    let mut items = items;
    let mut part = part;
    loop {
        let n = items.len();
        if n < FEW {
            return insert(items, compare);
        }
        let pivot = choose_pivot(items, compare);
        items.swap(0, pivot);
        let (less, greater) = split(items, compare);
        let (left, rest) = items.split_at_mut(less);
        let right_start = n - greater;
        if less > 1 && part.start < less {
            sort(left, part.start..part.end.min(less), compare);
        }
        if greater <= 1 || part.end <= right_start {
            return;
        }
        items = &mut rest[right_start - less..];
        part = part.start.max(right_start) - right_start..part.end - right_start;
    }
}

fn insert<T>(items: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) {
    for next in 1..items.len() {
        let mut at = next;
        while at > 0 && compare(&items[at - 1], &items[at]).is_gt() {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

fn choose_pivot<T>(items: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let n = items.len();
    let median = |a: usize, b: usize, c: usize| median(items, a, b, c, compare);
    let (first, middle, last) = (0, n / 2, n - 1);
    if n == FEW {
        return middle;
    }
    if n <= MANY {
        return median(first, middle, last);
    }
    let step = n / 8;
    let low = median(first, first + step, first + 2 * step);
    let middle = median(middle - step, middle, middle + step);
    let high = median(last - 2 * step, last - step, last);
    median(low, middle, high)
}

fn median<T>(
    items: &[T],
    a: usize,
    b: usize,
    c: usize,
    compare: &impl Fn(&T, &T) -> Ordering,
) -> usize {
    let compare = |x: usize, y: usize| compare(&items[x], &items[y]);
    if compare(a, b).is_lt() {
        match (compare(b, c).is_lt(), compare(a, c).is_lt()) {
            (true, _) => b,
            (false, true) => c,
            (false, false) => a,
        }
    } else {
        match (compare(b, c).is_gt(), compare(a, c).is_lt()) {
            (true, _) => b,
            (false, true) => a,
            (false, false) => c,
        }
    }
}

/// Parts the items by the first of them: how many are less, at the front then, and how many
/// greater, at the back.
fn split<T>(items: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let n = items.len();
    // `c` and `d` are one behind the last of theirs, so that they can be 0.
    let (mut a, mut b, mut c, mut d) = (1, 1, n, n);
    loop {
        while b < c {
            let ordering = compare(&items[b], &items[0]);
            if ordering.is_gt() {
                break;
            }
            if ordering.is_eq() {
                items.swap(a, b);
                a += 1;
            }
            b += 1;
        }
        while b < c {
            let ordering = compare(&items[c - 1], &items[0]);
            if ordering.is_lt() {
                break;
            }
            if ordering.is_eq() {
                items.swap(c - 1, d - 1);
                d -= 1;
            }
            c -= 1;
        }
        if b >= c {
            break;
        }
        items.swap(b, c - 1);
        b += 1;
        c -= 1;
    }
    let (less, greater) = (b - a, d - c);
    swap_ranges(items, 0, b - a.min(less), a.min(less));
    swap_ranges(items, b, n - greater.min(n - d), greater.min(n - d));
    (less, greater)
}

fn swap_ranges<T>(items: &mut [T], from: usize, to: usize, len: usize) {
    for i in 0..len {
        items.swap(from + i, to + i);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn parts_are_those_of_the_whole() {
        let mut rng = Rng::seeded(3);
        for round in 0..3000 {
            let len = rng.below(if round % 50 == 0 { 1000 } else { 60 }) as usize;
            let kinds = 1 + rng.below(50);
            let mut items: Vec<u64> = (0..len).map(|_| rng.below(kinds)).collect();
            let mut sorted = items.clone();
            sorted.sort_unstable();
            let start = rng.below(len as u64 + 1) as usize;
            let part = start..start + rng.below((len - start) as u64 + 1) as usize;
            sort(&mut items, part.clone(), &|a, b| a.cmp(b));
            assert_eq!(items[part.clone()], sorted[part]);
            items.sort_unstable();
            assert_eq!(items, sorted, "none is lost");
        }
    }
}
