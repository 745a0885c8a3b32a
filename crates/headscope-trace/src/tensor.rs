//! A small dense array.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// An f32 array in row-major order over shared storage.
///
/// Cloning, [`index`](Tensor::index) and [`row`](Tensor::row) copy no numbers.
#[derive(Clone)]
pub struct Tensor {
    shape: Vec<usize>,
    storage: Arc<Storage>,
    range: Range<usize>,
}

/// Who is given the values when no tensor holds them any more.
pub type Heir = Arc<dyn Fn(Vec<f32>) + Send + Sync>;

struct Storage {
    values: Vec<f32>,
    heir: Option<Heir>,
}

impl Drop for Storage {
    fn drop(&mut self) {
        if let Some(heir) = &self.heir {
            heir(std::mem::take(&mut self.values));
        }
    }
}

impl Tensor {
    /// Wraps `values`, which must hold as many numbers as `shape` has places.
    ///
    /// # Panics
    /// If the counts differ.
    pub fn new(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Tensor {
        Tensor::over(shape.into(), Storage { values, heir: None })
    }

    /// The same, of values that `heir` is given when no tensor holds them any more: large memory is
    /// worth keeping.
    ///
    /// # Panics
    /// As [`new`](Tensor::new).
    pub fn inherited(shape: impl Into<Vec<usize>>, values: Vec<f32>, heir: Heir) -> Tensor {
        Tensor::over(shape.into(), Storage { values, heir: Some(heir) })
    }

    fn over(shape: Vec<usize>, storage: Storage) -> Tensor {
        let range = 0..storage.values.len();
        let whole = Tensor { shape: vec![range.len()], storage: Arc::new(storage), range };
        whole.part(shape, 0..whole.len())
    }

    /// A tensor of zeros.
    pub fn zeros(shape: impl Into<Vec<usize>>) -> Tensor {
        let shape = shape.into();
        let values = vec![0.0; shape.iter().product()];
        Tensor::new(shape, values)
    }

    /// Some of the values, so that many tensors can live in one buffer.
    ///
    /// # Panics
    /// If the range does not fit the shape or the tensor.
    pub fn part(&self, shape: impl Into<Vec<usize>>, range: Range<usize>) -> Tensor {
        let shape = shape.into();
        assert_eq!(
            shape.iter().product::<usize>(),
            range.len(),
            "a tensor of shape {shape:?} over {} values",
            range.len()
        );
        assert!(range.end <= self.len(), "a tensor over {range:?} of {} values", self.len());
        let range = self.range.start + range.start..self.range.start + range.end;
        Tensor { shape, storage: Arc::clone(&self.storage), range }
    }

    /// The size of each axis, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All values, in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.storage.values[self.range.clone()]
    }

    /// All values for writing; copies them first if another tensor shares the storage.
    pub fn values_mut(&mut self) -> &mut [f32] {
        if Arc::get_mut(&mut self.storage).is_none() {
            *self = Tensor::new(std::mem::take(&mut self.shape), self.values().to_vec());
        }
        let range = self.range.clone();
        let storage = Arc::get_mut(&mut self.storage).expect("the storage was just made ours alone");
        &mut storage.values[range]
    }

    /// Whether both are the same part of the same storage. A clone that was not written to is.
    pub fn is_same(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.storage, &other.storage) && self.range == other.range
    }

    /// The values, without a copy if nothing else shares them.
    pub fn into_values(self) -> Vec<f32> {
        let (start, end) = (self.range.start, self.range.end);
        match Arc::try_unwrap(self.storage) {
            Ok(mut storage) if start == 0 && end == storage.values.len() => {
                std::mem::take(&mut storage.values)
            }
            Ok(storage) => storage.values[start..end].to_vec(),
            Err(shared) => shared.values[start..end].to_vec(),
        }
    }

    /// The sub-tensor at place `i` of the first axis.
    ///
    /// # Panics
    /// If the tensor has no axis or `i` is out of range.
    pub fn index(&self, i: usize) -> Tensor {
        assert!(i < self.shape[0], "index {i} of an axis of {}", self.shape[0]);
        let shape = self.shape[1..].to_vec();
        let len: usize = shape.iter().product();
        let start = self.range.start + i * len;
        Tensor { shape, storage: Arc::clone(&self.storage), range: start..start + len }
    }

    /// Row `i` of the last axis, counting over all the outer ones.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, i: usize) -> &[f32] {
        let width = *self.shape.last().expect("a tensor with an axis");
        &self.values()[i * width..(i + 1) * width]
    }
}

impl Deref for Tensor {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.values()
    }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Tensor) -> bool {
        self.shape == other.shape && self.values() == other.values()
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor{:?}", self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_storage() {
        let whole = Tensor::new([2, 2, 3], (0..12u8).map(f32::from).collect());
        assert_eq!(whole.index(1).shape(), [2, 3]);
        assert_eq!(whole.index(1).row(0), [6.0, 7.0, 8.0]);
        assert_eq!(whole.row(3), [9.0, 10.0, 11.0]);
        assert_eq!(whole.index(1).index(1).into_values(), [9.0, 10.0, 11.0]);
    }

    #[test]
    fn writing_to_a_shared_tensor_leaves_the_other_alone() {
        let first = Tensor::zeros([3]);
        let mut second = first.clone();
        assert!(second.is_same(&first));
        second.values_mut()[1] = 1.0;
        assert!(!second.is_same(&first));
        assert_eq!(*first, [0.0; 3]);
        assert_eq!(*second, [0.0, 1.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "shape [2, 2] over 3 values")]
    fn a_wrong_count_is_refused() {
        let _ = Tensor::new([2, 2], vec![0.0; 3]);
    }
}
