//! A vector in chunks that are shared until they change: what numbers the leaves of a
//! tree and the buckets of an index.

use std::sync::Arc;

/// Elements of a chunk: what a change copies at most while a snapshot shares it.
const CHUNK: usize = 64;
/// Elements of the first chunk at first; it grows by this factor.
const FIRST: usize = 4;

/// Cloning it copies a pointer for each chunk.
#[derive(Clone, Debug, Default)]
pub struct Spine<T> {
    /// All of them full but the last; the first one begins small.
    chunks: Vec<Arc<[T]>>,
    len: usize,
}

impl<T: Clone + Default> Spine<T> {
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The element at `index`, which is there.
    #[inline]
    pub fn get(&self, index: usize) -> &T {
        &self.chunks[index / CHUNK][index % CHUNK]
    }

    /// The same to be changed: its chunk is copied if somebody shares it.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> &mut T {
        let chunk = Arc::make_mut(&mut self.chunks[index / CHUNK]);
        &mut chunk[index % CHUNK]
    }

    pub fn push(&mut self, element: T) {
        let at = self.len;
        if at == self.chunks.len() * CHUNK {
            let size = if at == 0 { FIRST } else { CHUNK };
            self.chunks.push((0..size).map(|_| T::default()).collect());
        } else if let Some(chunk) = self.chunks.last_mut()
            && at % CHUNK == chunk.len()
        {
            let more = (0..chunk.len() * (FIRST - 1)).map(|_| T::default());
            *chunk = chunk.iter().cloned().chain(more).collect();
        }
        self.len += 1;
        *self.get_mut(at) = element;
    }

    /// Takes the last element off.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        let element = std::mem::take(self.get_mut(last));
        self.len = last;
        if last.is_multiple_of(CHUNK) {
            self.chunks.pop();
        }
        Some(element)
    }

    /// Bytes of the chunks and of the pointers to them.
    pub fn heap_bytes(&self) -> usize {
        const ARC_BYTES: usize = 16;
        let last = self.chunks.last().map_or(0, |chunk| chunk.len());
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        (full + last) * size_of::<T>()
            + self.chunks.len() * ARC_BYTES
            + self.chunks.capacity() * size_of::<Arc<[T]>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_shrinks_like_a_vector() {
        let (mut spine, mut model) = (Spine::default(), Vec::new());
        for round in 0..400 {
            for n in 0..(round * 7) % 13 {
                spine.push(n);
                model.push(n);
            }
            for _ in 0..(round * 5) % 14 {
                assert_eq!(spine.pop(), model.pop());
            }
            if round == 200 {
                (0..500).for_each(|n| {
                    spine.push(n);
                    model.push(n);
                });
            }
            assert_eq!(spine.len(), model.len());
            assert!((0..spine.len()).all(|at| *spine.get(at) == model[at]));
        }
    }

    #[test]
    fn a_clone_stays_as_it_was() {
        let mut spine = Spine::default();
        (0..1000).for_each(|n| spine.push(n));
        let copy = spine.clone();
        (0..1000).for_each(|at| *spine.get_mut(at) += 1);
        while spine.len() > 10 {
            spine.pop();
        }
        assert!((0..1000).all(|at| *copy.get(at) == at));
        assert!((0..10).all(|at| *spine.get(at) == at + 1));
        assert!(copy.heap_bytes() > 8000 && copy.heap_bytes() < 9000);
    }
}
