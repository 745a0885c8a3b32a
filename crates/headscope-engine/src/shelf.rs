//! Memory of results that are no longer needed, kept for those to come.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use headscope_trace::{Heir, Tensor};

use crate::kernels;

/// The system hands out large memory page by page, each cleared and mapped on first touch: for a pass
/// over 512 tokens that takes a sixth of the time. So what a pass gets from here comes back when its
/// last tensor is dropped, and serves the next layer, or the next pass.
///
/// Each tensor begins with a line of the cache, so that a panel of a layer's columns is whole lines: threads at work on
/// neighbouring panels would else hand the lines between them to and fro.
#[derive(Default)]
pub(crate) struct Shelf {
    /// Oldest first.
    kept: Mutex<Vec<Vec<f32>>>,
}

/// Numbers that are kept at most: 256 MiB.
const LIMIT: usize = 64 << 20;

/// Numbers in a line.
const LINE: usize = 64 / size_of::<f32>();

/// Pieces that are kept at most: more would take long to look through.
const PIECES: usize = 512;

/// Below so many, the allocator is quick by itself.
const LARGE: usize = 1 << 10;

impl Shelf {
    /// A tensor that is about to be written whole: it may hold any numbers.
    pub(crate) fn blank(self: &Arc<Self>, shape: &[usize]) -> Tensor {
        self.tensor(shape, |_| {})
    }

    /// A tensor of zeros.
    pub(crate) fn zeros(self: &Arc<Self>, shape: &[usize]) -> Tensor {
        self.tensor(shape, |kept| kept.fill(0.0))
    }

    fn tensor(self: &Arc<Self>, shape: &[usize], prepare: impl Fn(&mut [f32])) -> Tensor {
        let len: usize = shape.iter().product();
        if len < LARGE {
            return Tensor::zeros(shape);
        }
        let room = len + LINE;
        let values = match self.take(room) {
            Some(mut kept) => {
                prepare(&mut kept);
                kept
            }
            None => kernels::zeros(room),
        };
        let shelf: Weak<Shelf> = Arc::downgrade(self);
        let heir: Heir = Arc::new(move |values| {
            if let Some(shelf) = shelf.upgrade() {
                shelf.keep(values);
            }
        });
        let whole = Tensor::inherited([room], values, heir);
        let start = whole.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        whole.part(shape, start..start + len)
    }

    /// The smallest that is large enough, if it is not far too large.
    fn take(&self, len: usize) -> Option<Vec<f32>> {
        let mut kept = self.kept();
        let fits = |values: &Vec<f32>| (len..=2 * len).contains(&values.capacity());
        let fitting = kept.iter().enumerate().filter(|(_, values)| fits(values));
        let (place, _) = fitting.min_by_key(|(_, values)| values.capacity())?;
        let mut values = kept.remove(place);
        values.resize(len, 0.0);
        Some(values)
    }

    /// Keeps memory, and lets go of the oldest where it gets too much.
    fn keep(&self, values: Vec<f32>) {
        if values.capacity() < LARGE {
            return;
        }
        let mut kept = self.kept();
        kept.push(values);
        let mut total: usize = kept.iter().map(Vec::capacity).sum();
        while total > LIMIT || kept.len() > PIECES {
            total -= kept.remove(0).capacity();
        }
    }

    /// Whole after every statement, whether or not a panic happened under the lock.
    fn kept(&self) -> MutexGuard<'_, Vec<Vec<f32>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_and_serves_again() {
        let shelf = Arc::new(Shelf::default());
        let mut first = shelf.blank(&[2, LARGE]);
        first.values_mut().fill(7.0);
        let place = first.as_ptr();
        assert!(place.addr().is_multiple_of(64), "a line begins");
        let head = first.index(1);
        drop(first);
        assert_eq!(head[0], 7.0, "a part keeps the whole");
        assert_ne!(shelf.blank(&[2 * LARGE]).as_ptr(), place, "while a part is held");
        drop(head);
        let again = shelf.zeros(&[2 * LARGE - 5]);
        assert!(again.iter().all(|value| *value == 0.0));
        let held = [again, shelf.blank(&[2 * LARGE - 5])];
        assert!(held.iter().any(|tensor| tensor.as_ptr() == place));
    }

    #[test]
    fn what_is_kept_is_bounded_and_outlived() {
        let shelf = Arc::new(Shelf::default());
        let tensors: Vec<Tensor> = (0..5).map(|_| shelf.blank(&[LIMIT / 4 - LINE])).collect();
        drop(tensors);
        assert_eq!(shelf.kept().len(), 4);
        assert!(shelf.take(LIMIT).is_none());
        assert!(shelf.take(LARGE).is_none(), "far too large");
        let tensors: Vec<Tensor> = (0..=PIECES).map(|_| shelf.blank(&[LARGE])).collect();
        drop(tensors);
        assert_eq!(shelf.kept().len(), PIECES);
        let last = shelf.blank(&[LARGE]);
        drop(shelf);
        assert_eq!(last.into_values().len(), LARGE);
    }
}
