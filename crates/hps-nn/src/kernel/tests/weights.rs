//! Packed weights of linear layers.

use candle_core::{DType, Device, Tensor};
use half::f16;

use super::super::panel::{Rows, Values};
use super::super::tail::{Out, Tail};
use super::super::weights::{Columns, PackedWeights};
use super::*;
use crate::Activation;

fn forward<T: Tile>(
    weights: &Columns<T>,
    xs: &[f32],
    (n, k): (usize, usize),
    tail: Tail<'_>,
) -> Vec<f32> {
    let count = xs.len() / k;
    let mut out = vec![f32::NAN; count * n];
    let rows = Rows::new(Values::F32(xs), count, k, k).unwrap();
    weights.forward(rows, &tail, Out::F32(&mut out)).unwrap();
    out
}

fn matrix(values: &[f32], n: usize, k: usize) -> Tensor {
    Tensor::from_slice(values, (n, k), &Device::Cpu).unwrap()
}

struct HalfFloats;

impl Check for HalfFloats {
    fn check<T: Tile>(&self, tile: T, _: Numbers) {
        let mut random = Random(11);
        let (m, n, k) = (19, 70, T::STEPS + 37);
        let halves: Vec<f16> = random.floats(n * k).into_iter().map(f16::from_f32).collect();
        let floats: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
        let xs = random.floats(m * k);
        let exact = matrix(&floats, n, k);
        let packed = Columns::new(tile, &exact, false).unwrap();
        let same = Columns::new(tile, &exact.to_dtype(DType::F16).unwrap(), false).unwrap();
        let expected = forward(&packed, &xs, (n, k), Tail::default());
        assert_eq!(forward(&same, &xs, (n, k), Tail::default()), expected);
        // One value that is no half float, in a column of its own, keeps all of them as
        // they are; the other columns must not change by it.
        let mut floats = floats;
        floats.extend((0..k).map(|_| 0.1f32));
        let other = Columns::new(tile, &matrix(&floats, n + 1, k), false).unwrap();
        for (row, expected) in
            forward(&other, &xs, (n + 1, k), Tail::default()).chunks(n + 1).zip(expected.chunks(n))
        {
            assert_eq!(&row[..n], expected);
        }
    }
}

#[test]
fn half_floats_and_floats_give_the_same_bits() {
    each_tile(&HalfFloats);
}

struct Gates;

impl Check for Gates {
    fn check<T: Tile>(&self, tile: T, _: Numbers) {
        let mut random = Random(12);
        let (m, k) = (T::ROWS + 3, 29);
        for n in [1, T::COLUMNS / 2, T::COLUMNS / 2 + 1, 3 * T::COLUMNS - 5] {
            let weight = matrix(&random.floats(2 * n * k), 2 * n, k);
            let (bias, xs) = (random.floats(2 * n), random.floats(m * k));
            let tail = Tail { bias: Some(&bias), ..Tail::default() };
            let plain =
                forward(&Columns::new(tile, &weight, false).unwrap(), &xs, (2 * n, k), tail);
            let residual = random.floats(m * n);
            let tail =
                Tail { activation: Some(Activation::Gelu), residual: Some(&residual), ..tail };
            let gated = forward(&Columns::new(tile, &weight, true).unwrap(), &xs, (n, k), tail);
            for (index, ours) in gated.iter().enumerate() {
                let (row, column) = (index / n, index % n);
                let mut gate = [plain[row * 2 * n + n + column]];
                Activation::Gelu.apply::<true>(&mut gate);
                let expected = plain[row * 2 * n + column] * gate[0] + residual[index];
                assert!((ours - expected).abs() < 1e-5, "{n} {index} {ours} {expected}");
            }
        }
        assert!(Columns::new(tile, &matrix(&[0.0; 6], 3, 2), true).is_err());
    }
}

#[test]
fn gated_columns_are_values_and_gates() {
    each_tile(&Gates);
}
