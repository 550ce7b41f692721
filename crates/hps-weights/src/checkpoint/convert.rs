//! Stored numbers to `f32`.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;

use super::stored::Stored;

/// Elements converted at a time through a buffer on the stack. Stored numbers may start at any
/// byte, so they cannot be read in place as `f16`; a copy within the L1 cache is nearly free.
const BLOCK: usize = 1024;

/// Elements given to one task.
const TASK: usize = 64 * BLOCK;

/// Whether elements of this type can be converted.
pub(super) fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64)
}

/// Converts a tensor of floats into `output`, in row-major order. `bytes` is the whole source;
/// the tensor must lie within it, and `output` must have as many elements as the tensor.
pub(super) fn convert(stored: &Stored, bytes: &[u8], output: &mut [f32]) {
    let item = stored.dtype.bitsize() / 8;
    let bytes = bytes.get(stored.byte_range()).unwrap_or_default();
    if stored.is_contiguous() {
        output
            .par_chunks_mut(TASK)
            .zip(bytes.par_chunks(TASK * item))
            .for_each(|(output, bytes)| convert_run(stored.dtype, bytes, output));
    } else {
        gather(stored, bytes, output);
    }
}

/// Copies a tensor of `f16` in row-major order into `output`; otherwise as [`convert`].
pub(super) fn copy_f16(stored: &Stored, bytes: &[u8], output: &mut [f16]) {
    let bytes = bytes.get(stored.byte_range()).unwrap_or_default();
    output.par_chunks_mut(TASK).zip(bytes.par_chunks(TASK * 2)).for_each(|(output, bytes)| {
        let (pairs, _) = bytes.as_chunks::<2>();
        for (half, pair) in output.iter_mut().zip(pairs) {
            *half = f16::from_bits(u16::from_le_bytes(*pair));
        }
    });
}

/// Converts elements that follow each other.
fn convert_run(dtype: Dtype, bytes: &[u8], output: &mut [f32]) {
    match dtype {
        Dtype::F16 => convert_half::<f16>(bytes, output, f16::from_bits),
        Dtype::BF16 => convert_half::<bf16>(bytes, output, bf16::from_bits),
        Dtype::F32 => convert_each(bytes, output, f32::from_le_bytes),
        _ => convert_each(bytes, output, |b: [u8; 8]| f64::from_le_bytes(b) as f32),
    }
}

fn convert_half<H: Copy + Default>(bytes: &[u8], output: &mut [f32], from_bits: impl Fn(u16) -> H)
where
    [H]: HalfFloatSliceExt,
{
    let mut block = [H::default(); BLOCK];
    for (bytes, output) in bytes.chunks(2 * BLOCK).zip(output.chunks_mut(BLOCK)) {
        let (pairs, _) = bytes.as_chunks::<2>();
        for (half, pair) in block.iter_mut().zip(pairs) {
            *half = from_bits(u16::from_le_bytes(*pair));
        }
        if let Some(block) = block.get(..output.len()) {
            block.convert_to_f32_slice(output);
        }
    }
}

fn convert_each<const N: usize>(bytes: &[u8], output: &mut [f32], from: impl Fn([u8; N]) -> f32) {
    let (items, _) = bytes.as_chunks::<N>();
    for (output, item) in output.iter_mut().zip(items) {
        *output = from(*item);
    }
}

/// Converts elements that lie apart, one row of the last dimension at a time.
fn gather(stored: &Stored, bytes: &[u8], output: &mut [f32]) {
    let item = stored.dtype.bitsize() / 8;
    let (Some((&columns, outer)), Some((&step, strides))) =
        (stored.shape.split_last(), stored.strides.split_last())
    else {
        return;
    };
    output.par_chunks_mut(columns.max(1)).enumerate().for_each(|(row, output)| {
        let mut rest = row;
        let mut first = 0;
        for (&size, &stride) in outer.iter().zip(strides).rev() {
            first += rest % size * stride;
            rest /= size;
        }
        for (column, output) in output.iter_mut().enumerate() {
            let at = (first + column * step) * item;
            let element = bytes.get(at..at + item).unwrap_or_default();
            convert_run(stored.dtype, element, std::slice::from_mut(output));
        }
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn converted(stored: &Stored, bytes: &[u8]) -> Vec<f32> {
        let mut output = vec![f32::NAN; stored.elements()];
        convert(stored, bytes, &mut output);
        output
    }

    #[test]
    fn every_half_is_exact_at_any_alignment() {
        for shift in 0..3 {
            let mut bytes = vec![0; shift];
            bytes.extend((0..=u16::MAX).flat_map(u16::to_le_bytes));
            let stored = Stored::contiguous(Dtype::F16, vec![256, 256], shift);
            let found = converted(&stored, &bytes);
            let expected = (0..=u16::MAX).map(|bits| f16::from_bits(bits).to_f32());
            assert!(found.iter().zip(expected).all(|(a, b)| *a == b || (a.is_nan() && b.is_nan())));
            let stored = Stored::contiguous(Dtype::BF16, vec![1 << 16], shift);
            let found = converted(&stored, &bytes);
            assert!((0..=u16::MAX).all(|bits| {
                let expected = f32::from_bits(u32::from(bits) << 16);
                let found = found[usize::from(bits)];
                found == expected || (found.is_nan() && expected.is_nan())
            }));
        }
    }

    #[test]
    fn single_and_double() {
        let values = [0.1f32, -2.5, f32::MIN_POSITIVE, f32::INFINITY];
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(converted(&Stored::contiguous(Dtype::F32, vec![4], 0), &bytes), values);
        let bytes: Vec<u8> = values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect();
        assert_eq!(converted(&Stored::contiguous(Dtype::F64, vec![2, 2], 0), &bytes), values);
    }

    #[test]
    fn strided_tensors_are_gathered() {
        let bytes: Vec<u8> = (0..24).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let plain = Stored::contiguous(Dtype::F32, vec![2, 3, 4], 0);
        let turned = converted(&plain.clone().transposed(), &bytes);
        for (a, b, c) in
            (0..2).flat_map(|a| (0..3).flat_map(move |b| (0..4).map(move |c| (a, b, c))))
        {
            assert_eq!(turned[(a * 4 + c) * 3 + b], (a * 12 + b * 4 + c) as f32);
        }
        let column = Stored { shape: vec![2, 2], strides: vec![12, 5], start: 4, ..plain };
        assert_eq!(converted(&column, &bytes), [1.0, 6.0, 13.0, 18.0]);
    }
}
