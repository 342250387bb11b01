//! The leaves of a tree by number. A leaf keeps its number while its place in the tree
//! changes, so that an index can name it.

use std::sync::Arc;

use super::leaf::Leaf;
use super::spine::Spine;

/// Cloning copies a pointer for every few dozen leaves; a change copies one leaf if a
/// clone shares it.
#[derive(Clone, Debug, Default)]
pub struct Leaves {
    spine: Spine<Option<Arc<Leaf>>>,
    /// Numbers that are free.
    free: Vec<u32>,
    bytes: usize,
}

impl Leaves {
    /// The leaf of a number that is in use.
    #[inline]
    pub fn get(&self, id: u32) -> &Leaf {
        static NONE: Leaf = Leaf::new();
        self.spine.get(id as usize).as_deref().unwrap_or(&NONE)
    }

    /// Changes a leaf.
    #[inline]
    pub fn change<R>(&mut self, id: u32, how: impl FnOnce(&mut Leaf) -> R) -> R {
        let leaf = self.spine.get_mut(id as usize).get_or_insert_default();
        let leaf = Arc::make_mut(leaf);
        self.bytes -= leaf.heap_bytes();
        let result = how(leaf);
        self.bytes += leaf.heap_bytes();
        result
    }

    /// Gives a member another score, which its leaf spans.
    #[inline]
    pub fn set_score(&mut self, id: u32, at: usize, score: f64) {
        let leaf = self.spine.get_mut(id as usize).get_or_insert_default();
        Arc::make_mut(leaf).set_score(at, score);
    }

    /// Takes a leaf in, and says which number it gets.
    pub fn add(&mut self, leaf: Leaf) -> u32 {
        self.bytes += leaf.heap_bytes();
        let leaf = Some(Arc::new(leaf));
        match self.free.pop() {
            Some(id) => {
                *self.spine.get_mut(id as usize) = leaf;
                id
            }
            None => {
                self.spine.push(leaf);
                (self.spine.len() - 1) as u32
            }
        }
    }

    /// Takes a leaf out; its number may be another's from now on.
    pub fn take(&mut self, id: u32) -> Arc<Leaf> {
        let leaf = self.spine.get_mut(id as usize).take().unwrap_or_default();
        self.bytes -= leaf.heap_bytes();
        self.free.push(id);
        leaf
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes + self.spine.heap_bytes() + self.free.capacity() * size_of::<u32>()
    }
}
