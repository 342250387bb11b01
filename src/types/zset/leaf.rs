//! A leaf of a sorted set's tree: some dozens of members in order, packed.
//!
//! ```text
//! tags     8 bits of each member's hash, in the node itself: most of what a search reads
//! scores   8 bytes each, in order
//! spots    3 bytes each: where the member's bytes are in the text, and how many
//! text     the bytes of the members, in any order, with holes where some have gone
//! longs    members longer than 255 bytes, each on its own: they are shared, not copied
//! ```
//!
//! The order is that of scores; of equal scores that of the bytes. A leaf holds at most
//! `LEN_MAX` members and `TEXT_MAX` bytes of text, so that copying one takes a microsecond
//! at most, however long its members are.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use crate::base::room::make_room;

/// Members of a leaf.
pub const LEN_MAX: usize = 128;
/// Bytes of text in a leaf.
const TEXT_MAX: usize = 4096;
/// Longer members are kept outside the text.
const SHORT_MAX: usize = 255;

/// Where a member's bytes are in the text and how many they are; for a long one `AT_LONG`
/// and its index in `longs`.
#[derive(Clone, Copy, Debug)]
struct Spot([u8; 3]);

const AT_LONG: usize = 0xffff;

impl Spot {
    #[inline]
    fn new(at: usize, len: usize) -> Spot {
        Spot([at as u8, (at >> 8) as u8, len as u8])
    }

    #[inline]
    fn at(self) -> usize {
        usize::from(self.0[0]) | usize::from(self.0[1]) << 8
    }

    /// The length of a short member, the index of a long one.
    #[inline]
    fn len(self) -> usize {
        usize::from(self.0[2])
    }

    #[inline]
    fn is_long(self) -> bool {
        self.at() == AT_LONG
    }

    /// Bytes in the text.
    fn text_len(self) -> usize {
        if self.is_long() { 0 } else { self.len() }
    }
}

/// A member's bytes as they are handed from leaf to leaf.
pub enum Text<'a> {
    Bytes(&'a [u8]),
    Shared(Arc<[u8]>),
}

#[derive(Clone, Debug)]
pub struct Leaf {
    tags: [u8; LEN_MAX],
    scores: Vec<f64>,
    spots: Vec<Spot>,
    text: Vec<u8>,
    longs: Vec<Arc<[u8]>>,
    /// Bytes of the text that belong to nobody any more.
    holes: usize,
}

/// The order of a sorted set.
#[inline]
pub fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    // No score is NaN; 0 and -0 are one score.
    a.0.partial_cmp(&b.0)
        .unwrap_or(Ordering::Equal)
        .then_with(|| a.1.cmp(b.1))
}

impl Default for Leaf {
    fn default() -> Leaf {
        Leaf::new()
    }
}

impl Leaf {
    pub const fn new() -> Leaf {
        Leaf {
            tags: [0; LEN_MAX],
            scores: Vec::new(),
            spots: Vec::new(),
            text: Vec::new(),
            longs: Vec::new(),
            holes: 0,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    #[inline]
    pub fn score(&self, at: usize) -> f64 {
        self.scores[at]
    }

    #[inline]
    pub fn tag(&self, at: usize) -> u8 {
        self.tags[at]
    }

    #[inline]
    pub fn member(&self, at: usize) -> &[u8] {
        self.bytes_of(self.spots[at])
    }

    #[inline]
    fn bytes_of(&self, spot: Spot) -> &[u8] {
        match spot.is_long() {
            false => &self.text[spot.at()..spot.at() + spot.len()],
            true => &self.longs[spot.len()],
        }
    }

    #[inline]
    pub fn pair(&self, at: usize) -> (f64, &[u8]) {
        (self.score(at), self.member(at))
    }

    /// A long member's bytes to be shared.
    pub fn long(&self, at: usize) -> Option<&Arc<[u8]>> {
        let spot = self.spots[at];
        spot.is_long().then(|| &self.longs[spot.len()])
    }

    /// Where a member is that has this tag.
    #[inline]
    pub fn find(&self, tag: u8, member: &[u8]) -> Option<usize> {
        self.find_by(tag, |at| self.member(at) == member)
    }

    /// The first place of a member with this tag that is the right one.
    #[inline]
    pub fn find_by(&self, tag: u8, mut is_it: impl FnMut(usize) -> bool) -> Option<usize> {
        const STEP: usize = 16;
        let len = self.len();
        for (chunk, tags) in self.tags.as_chunks::<STEP>().0.iter().enumerate() {
            // Without a branch for each, so that all are compared at once.
            let mut hits = 0u32;
            for (bit, &t) in tags.iter().enumerate() {
                hits |= u32::from(t == tag) << bit;
            }
            while hits != 0 {
                let at = chunk * STEP + hits.trailing_zeros() as usize;
                if at < len && is_it(at) {
                    return Some(at);
                }
                hits &= hits - 1;
            }
            if (chunk + 1) * STEP >= len {
                break;
            }
        }
        None
    }

    /// How many members come before this place in the order.
    #[inline]
    pub fn position(&self, score: f64, member: &[u8]) -> usize {
        let from = self.scores.partition_point(|&s| s < score);
        if self.scores.get(from).is_none_or(|&s| s != score) {
            return from;
        }
        let equal = self.scores[from..].partition_point(|&s| s == score);
        let spots = &self.spots[from..from + equal];
        from + spots.partition_point(|&spot| self.bytes_of(spot) < member)
    }

    /// How many members come before the first that `is_before` says no to.
    pub fn partition_point(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match is_before(self.score(middle), self.member(middle)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// Whether there is room for one more member.
    #[inline]
    pub fn has_room(&self, member_len: usize) -> bool {
        self.len() < LEN_MAX && self.live_text() + short(member_len) <= TEXT_MAX
    }

    /// Whether there is room for one more in a leaf that is made of many members at once:
    /// some is left for members to come.
    pub fn has_room_in_build(&self, member_len: usize) -> bool {
        let text = self.live_text() + short(member_len);
        self.len() < LEN_MAX * 7 / 8 && text <= TEXT_MAX * 7 / 8
    }

    /// Whether all of another leaf's members fit in as well, with room to spare.
    pub fn has_room_for(&self, other: &Leaf) -> bool {
        let text = self.live_text() + other.live_text();
        self.len() + other.len() <= LEN_MAX * 3 / 4 && text <= TEXT_MAX * 3 / 4
    }

    /// Whether it should look for somebody to join.
    pub fn is_sparse(&self) -> bool {
        self.len() < LEN_MAX / 4 && self.live_text() < TEXT_MAX / 4
    }

    #[inline]
    fn live_text(&self) -> usize {
        self.text.len() - self.holes
    }

    /// Puts a member in at its place.
    pub fn insert(&mut self, at: usize, score: f64, tag: u8, member: Text) {
        let spot = self.store(member);
        let len = self.len();
        make_room(&mut self.scores, 1);
        make_room(&mut self.spots, 1);
        self.scores.insert(at, score);
        self.spots.insert(at, spot);
        self.tags.copy_within(at..len, at + 1);
        self.tags[at] = tag;
    }

    fn store(&mut self, member: Text) -> Spot {
        let bytes = match &member {
            Text::Bytes(bytes) => *bytes,
            Text::Shared(shared) => shared,
        };
        if bytes.len() > SHORT_MAX {
            let index = self.longs.len();
            make_room(&mut self.longs, 1);
            self.longs.push(match member {
                Text::Bytes(bytes) => bytes.into(),
                Text::Shared(shared) => shared,
            });
            return Spot::new(AT_LONG, index);
        }
        let end = self.text.len() + bytes.len();
        let is_worth_it = self.holes >= bytes.len().max(end / 8);
        if end > self.text.capacity() && is_worth_it || end >= AT_LONG {
            self.fill_holes();
        }
        make_room(&mut self.text, bytes.len());
        put_text(&mut self.text, bytes)
    }

    /// Moves the members' bytes together.
    fn fill_holes(&mut self) {
        let mut text = Vec::new();
        make_room(&mut text, self.live_text());
        for spot in self.spots.iter_mut().filter(|spot| !spot.is_long()) {
            *spot = put_text(&mut text, &self.text[spot.at()..spot.at() + spot.len()]);
        }
        self.text = text;
        self.holes = 0;
    }

    /// Takes a member out.
    pub fn remove(&mut self, at: usize) {
        self.remove_range(at..at + 1);
    }

    /// Takes members out.
    pub fn remove_range(&mut self, range: Range<usize>) {
        let len = self.len();
        self.tags.copy_within(range.end..len, range.start);
        self.scores.drain(range.clone());
        for at in range.clone().rev() {
            self.forget(self.spots[at]);
        }
        self.spots.drain(range);
        self.give_back();
    }

    fn forget(&mut self, spot: Spot) {
        if !spot.is_long() {
            match spot.at() + spot.len() == self.text.len() {
                true => self.text.truncate(spot.at()),
                false => self.holes += spot.len(),
            }
            return;
        }
        let to = spot.len();
        self.longs.swap_remove(to);
        let moved = self.longs.len();
        for spot in &mut self.spots {
            if spot.is_long() && spot.len() == moved {
                *spot = Spot::new(AT_LONG, to);
            }
        }
    }

    /// Gives memory back that is not needed by far.
    fn give_back(&mut self) {
        if self.scores.capacity() > 2 * self.scores.len() + 8 {
            let spare = self.scores.len() / 8;
            self.scores.shrink_to(self.scores.len() + spare);
            self.spots.shrink_to(self.spots.len() + spare);
        }
        if self.text.capacity() > 2 * self.live_text() + 64 {
            self.fill_holes();
        }
    }

    /// Whether a member with this score has its place in this leaf, whatever its bytes: it
    /// is above the lowest and below the highest one.
    #[inline]
    pub fn spans(&self, score: f64) -> bool {
        match &self.scores[..] {
            [lowest, .., highest] => *lowest < score && score < *highest,
            _ => false,
        }
    }

    /// Gives a member another score, which the leaf spans.
    pub fn set_score(&mut self, at: usize, score: f64) {
        let to = self.position(score, self.member(at));
        // Those between the two places make room for it and take its old one.
        let to = if to > at { to - 1 } else { to };
        match to >= at {
            true => {
                self.scores[at..=to].rotate_left(1);
                self.spots[at..=to].rotate_left(1);
                self.tags[at..=to].rotate_left(1);
            }
            false => {
                self.scores[to..=at].rotate_right(1);
                self.spots[to..=at].rotate_right(1);
                self.tags[to..=at].rotate_right(1);
            }
        }
        self.scores[to] = score;
    }

    /// Where to split so that a member gets room at `at`: in the middle, but beside a
    /// member that comes at an end, for then more will follow there.
    pub fn split_point(&self, at: usize) -> usize {
        if at == 0 || at == self.len() {
            return at;
        }
        // Half of the members, or of the text if that is what has run out.
        if self.len() == LEN_MAX {
            return LEN_MAX / 2;
        }
        let (half, mut sum) = (self.live_text() / 2, 0);
        let before = self.spots.iter().take_while(|spot| {
            sum += spot.text_len();
            sum <= half
        });
        before.count().clamp(1, self.len() - 1)
    }

    /// Takes the members from `at` on away, into a leaf of their own.
    pub fn split_off(&mut self, at: usize) -> Leaf {
        let mut right = Leaf::new();
        right.take_from(self, at..self.len());
        self.remove_range(at..self.len());
        right
    }

    /// Takes over all members of the leaf to the right.
    pub fn append(&mut self, right: &Leaf) {
        self.take_from(right, 0..right.len());
    }

    fn take_from(&mut self, other: &Leaf, range: Range<usize>) {
        make_room(&mut self.scores, range.len());
        make_room(&mut self.spots, range.len());
        let spots = &other.spots[range.clone()];
        let text = spots.iter().map(|spot| spot.text_len()).sum();
        make_room(&mut self.text, text);
        for at in range {
            let member = match other.long(at) {
                Some(long) => Text::Shared(long.clone()),
                None => Text::Bytes(other.member(at)),
            };
            self.insert(self.len(), other.score(at), other.tag(at), member);
        }
    }

    /// Bytes of memory, the leaf itself included; long members count where they are.
    pub fn heap_bytes(&self) -> usize {
        const ARC_BYTES: usize = 16;
        let longs = match self.longs.is_empty() {
            true => 0,
            false => self.longs.iter().map(|long| long.len() + ARC_BYTES).sum(),
        };
        ARC_BYTES
            + size_of::<Leaf>()
            + self.scores.capacity() * size_of::<f64>()
            + self.spots.capacity() * size_of::<Spot>()
            + self.text.capacity()
            + self.longs.capacity() * size_of::<Arc<[u8]>>()
            + longs
    }
}

/// Puts a short member's bytes behind the text. No bytes are at its beginning, for what is
/// at the end may be cut off.
#[inline]
fn put_text(text: &mut Vec<u8>, bytes: &[u8]) -> Spot {
    let at = if bytes.is_empty() { 0 } else { text.len() };
    text.extend_from_slice(bytes);
    Spot::new(at, bytes.len())
}

/// What a member takes of the text.
#[inline]
fn short(member_len: usize) -> usize {
    if member_len <= SHORT_MAX {
        member_len
    } else {
        0
    }
}
