//! One tensor as it lies in a file.

use std::ops::Range;

use safetensors::Dtype;

/// The most dimensions a tensor may have. No model here has more than 5.
pub(crate) const MAX_RANK: usize = 8;

/// Where a tensor's elements are: little-endian numbers in one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Index of the source in its checkpoint.
    pub(crate) source: usize,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Distance, in elements, between neighbours along each dimension.
    pub(crate) strides: Vec<usize>,
    /// Byte offset of the first element in the source.
    pub(crate) start: usize,
}

impl Stored {
    /// A tensor in row-major order.
    pub(crate) fn contiguous(dtype: Dtype, shape: Vec<usize>, start: usize) -> Self {
        let strides = contiguous_strides(&shape);
        Stored { source: 0, dtype, shape, strides, start }
    }

    /// The number of elements.
    pub(crate) fn elements(&self) -> usize {
        element_count(&self.shape).unwrap_or(0)
    }

    /// Whether the elements lie in row-major order without gaps.
    pub(crate) fn is_contiguous(&self) -> bool {
        let expected = contiguous_strides(&self.shape);
        let mut dims = self.shape.iter().zip(self.strides.iter().zip(&expected));
        self.elements() == 0 || dims.all(|(&size, (a, b))| size == 1 || a == b)
    }

    /// The same elements with the last two dimensions exchanged.
    pub(crate) fn transposed(mut self) -> Self {
        let rank = self.shape.len();
        if rank >= 2 {
            self.shape.swap(rank - 2, rank - 1);
            self.strides.swap(rank - 2, rank - 1);
        }
        self
    }

    /// The bytes from the first to the last element.
    pub(crate) fn byte_range(&self) -> Range<usize> {
        let item = self.dtype.bitsize() / 8;
        match span(&self.shape, &self.strides) {
            Some(elements) => self.start..self.start + elements * item,
            None => self.start..self.start,
        }
    }
}

/// How many elements lie between the first and the last element, both included; 0 for a tensor
/// without elements, `None` where that number does not fit.
pub(crate) fn span(shape: &[usize], strides: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().zip(strides).try_fold(1usize, |total, (&size, &stride)| {
        total.checked_add(size.checked_sub(1)?.checked_mul(stride)?)
    })
}

/// The number of elements of a shape. `None` where the product of its sizes, zeros left out, does
/// not fit: strides of such a shape cannot be computed even if it has no elements.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    let product = shape.iter().try_fold(1usize, |total, &size| total.checked_mul(size.max(1)))?;
    Some(if shape.contains(&0) { 0 } else { product })
}

fn contiguous_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn contiguity() {
        let plain = Stored::contiguous(Dtype::F16, vec![2, 3, 4], 10);
        assert!(plain.is_contiguous());
        assert_eq!(plain.byte_range(), 10..58);
        let turned = plain.clone().transposed();
        assert!(!turned.is_contiguous());
        assert_eq!(
            (turned.shape.as_slice(), turned.strides.as_slice()),
            (&[2, 4, 3][..], &[12, 1, 4][..])
        );
        assert_eq!(turned.byte_range(), 10..58);
        assert_eq!(turned.transposed(), plain);
        let column =
            Stored { strides: vec![7, 1], ..Stored::contiguous(Dtype::F32, vec![1, 3], 0) };
        assert!(column.is_contiguous(), "the stride of a dimension of size 1 does not matter");
        let scalar = Stored::contiguous(Dtype::F32, vec![], 4);
        assert_eq!((scalar.elements(), scalar.byte_range()), (1, 4..8));
        let none = Stored::contiguous(Dtype::F32, vec![3, 0], 4);
        assert_eq!((none.elements(), none.byte_range()), (0, 4..4));
    }

    #[test]
    fn spans_do_not_overflow() {
        assert_eq!(span(&[usize::MAX, 2], &[usize::MAX, 1]), None);
        assert_eq!(span(&[0, usize::MAX], &[usize::MAX, 9]), Some(0));
        assert_eq!(element_count(&[usize::MAX, 2]), None);
        assert_eq!(element_count(&[0, usize::MAX, 2]), None);
        assert_eq!(element_count(&[3, 0, 2]), Some(0));
    }
}
