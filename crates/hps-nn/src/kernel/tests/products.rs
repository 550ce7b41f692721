//! Products of rows and packed columns.

use half::bf16;

use super::super::panel::{Rows, Values};
use super::super::product::{Dims, PackedRows, Panels, Scratch, product};
use super::super::tail::{Out, Tail};
use super::*;
use crate::Activation;

/// Right panels made from rows of `[n, k]` at every use.
pub(super) struct Made<'a, T> {
    pub tile: T,
    pub columns: &'a [f32],
    pub n: usize,
    pub k: usize,
}

impl<T: Tile> Panels<T::Element> for Made<'_, T> {
    fn panel<'a>(&'a self, index: usize, scratch: &'a mut Scratch<T::Element>) -> &'a [T::Element] {
        let mut columns = vec![0f32; self.k * T::COLUMNS];
        let first = index * T::COLUMNS;
        for column in first..self.n.min(first + T::COLUMNS) {
            for step in 0..self.k {
                columns[step * T::COLUMNS + column - first] = self.columns[column * self.k + step];
            }
        }
        scratch.panel.reserve(T::right_len(self.k));
        let panel = &mut scratch.panel[..T::right_len(self.k)];
        self.tile.pack_right(&columns, panel);
        panel
    }
}

/// `[m, k] @ [n, k].T`, with rows `stride` apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub stride: usize,
}

impl Shape {
    fn random(random: &mut Random) -> Self {
        let k = random.below(131);
        let stride = k + random.below(2) * random.below(9);
        Shape { m: 1 + random.below(130), n: 1 + random.below(130), k, stride }
    }

    pub(super) fn left_len(&self) -> usize {
        (self.m - 1) * self.stride + self.k
    }

    fn dims(&self) -> Dims {
        Dims { rows: self.m, columns: self.n, inner: self.k }
    }

    /// The rows of the left side without what lies between them.
    fn dense(&self, left: &[f32]) -> Vec<f32> {
        (0..self.m).flat_map(|row| left[row * self.stride..][..self.k].to_vec()).collect()
    }
}

/// The product of `left` and `right`, computed by `tile`.
fn multiply<T: Tile>(
    tile: T,
    shape: Shape,
    left: Values<'_>,
    right: &[f32],
    tail: Tail<'_>,
) -> Vec<f32> {
    let rows = Rows::new(left, shape.m, shape.k, shape.stride).unwrap();
    let columns = Made { tile, columns: right, n: shape.n, k: shape.k };
    // What is not written shows.
    let mut out = vec![f32::NAN; shape.m * shape.n];
    let left = PackedRows::new(tile, rows);
    product(tile, shape.dims(), &left, &columns, &tail, Out::F32(&mut out)).unwrap();
    out
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

struct RandomShapes;

impl Check for RandomShapes {
    fn check<T: Tile>(&self, tile: T, numbers: Numbers) {
        let mut random = Random(1);
        for _ in 0..25 {
            let shape = Shape::random(&mut random);
            let left = random.floats(shape.left_len());
            let right = random.floats(shape.n * shape.k);
            let out = multiply(tile, shape, Values::F32(&left), &right, Tail::default());
            let exact = exact_or_zero(numbers, shape, &shape.dense(&left), &right);
            for (ours, (sum, size)) in out.iter().zip(exact) {
                let off = (f64::from(*ours) - sum).abs();
                assert!(off <= tolerance(numbers, shape.k, size), "{shape:?} {ours} {sum}");
            }
        }
    }
}

fn exact_or_zero(n: Numbers, shape: Shape, left: &[f32], right: &[f32]) -> Vec<(f64, f64)> {
    match shape.k {
        0 => vec![(0.0, 0.0); shape.m * shape.n],
        k => exact(n, k, left, right),
    }
}

#[test]
fn any_shape_equals_the_definition() {
    each_tile(&RandomShapes);
}

struct LongSums;

impl Check for LongSums {
    fn check<T: Tile>(&self, tile: T, numbers: Numbers) {
        let mut random = Random(2);
        // Around the lengths at which the inner dimension is cut.
        for k in [T::STEPS - 1, T::STEPS, T::STEPS + 1, 2 * T::STEPS + 33] {
            let shape = Shape { m: T::ROWS + 1, n: T::COLUMNS + 3, k, stride: k };
            let (left, right) = (random.floats(shape.m * k), random.floats(shape.n * k));
            let out = multiply(tile, shape, Values::F32(&left), &right, Tail::default());
            for (ours, (sum, size)) in out.iter().zip(exact(numbers, k, &left, &right)) {
                let off = (f64::from(*ours) - sum).abs();
                assert!(off <= tolerance(numbers, k, size), "{k} {ours} {sum}");
            }
            assert_eq!(bits(&out), bits(&uncut(tile, shape, &left, &right)), "{k}");
        }
    }
}

/// The product without any cut of the inner dimension.
fn uncut<T: Tile>(tile: T, shape: Shape, left: &[f32], right: &[f32]) -> Vec<f32> {
    let Shape { m, n, k, .. } = shape;
    let rows = Rows::new(Values::F32(left), m, k, k).unwrap();
    let columns = Made { tile, columns: right, n, k };
    let mut out = vec![0f32; m * n];
    let (mut scratch, mut session) = (Scratch::new(), tile.session());
    for column in 0..n.div_ceil(T::COLUMNS) {
        let right = columns.panel(column, &mut scratch);
        for row in 0..m.div_ceil(T::ROWS) {
            let mut panel = vec![T::Element::default(); T::left_len(k)];
            tile.pack_left(rows.slice(row * T::ROWS, T::ROWS), &mut panel);
            let mut block = vec![0f32; T::ROWS * T::COLUMNS];
            tile.multiply(&mut session, k, &panel, right, &mut block, false);
            for (index, sum) in block.iter().enumerate() {
                let (i, j) =
                    (row * T::ROWS + index / T::COLUMNS, column * T::COLUMNS + index % T::COLUMNS);
                if i < m && j < n {
                    out[i * n + j] = *sum;
                }
            }
        }
    }
    out
}

#[test]
fn cutting_the_inner_dimension_changes_no_bit() {
    each_tile(&LongSums);
}

struct Batches;

impl Check for Batches {
    fn check<T: Tile>(&self, tile: T, _: Numbers) {
        let mut random = Random(3);
        for (m, n, k) in [(75, 70, 61), (40, 300, 2 * T::STEPS + 5)] {
            let shape = Shape { m, n, k, stride: k };
            let (left, right) = (random.floats(m * k), random.floats(n * k));
            let of = |first: usize, m: usize, threads: usize| {
                let left = Values::F32(&left[first * k..(first + m) * k]);
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let shape = Shape { m, ..shape };
                pool.install(|| bits(&multiply(tile, shape, left, &right, Tail::default())))
            };
            let all = of(0, m, 1);
            assert!(all == of(0, m, 2) && all == of(0, m, 5), "threads");
            for (first, count) in [(0, 1), (m - 1, 1), (7, 1), (1, 13), (3, 15), (5, 33)] {
                let expected = &all[first * n..(first + count) * n];
                assert_eq!(of(first, count, 2), expected, "{count} rows from {first}");
            }
        }
    }
}

#[test]
fn rows_depend_on_neither_batch_nor_threads() {
    each_tile(&Batches);
}

struct BadValues;

impl Check for BadValues {
    fn check<T: Tile>(&self, tile: T, _: Numbers) {
        let shape = Shape { m: 20, n: 37, k: 45, stride: 45 };
        let right = Random(4).floats(shape.n * shape.k);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut left = Random(5).floats(shape.left_len());
            left[7 * shape.k + 44] = bad;
            let out = multiply(tile, shape, Values::F32(&left), &right, Tail::default());
            for (row, values) in out.chunks(shape.n).enumerate() {
                assert!(values.iter().all(|x| x.is_finite() == (row != 7)), "{bad} {row}");
            }
            let mut columns = right.clone();
            columns[36 * shape.k] = bad;
            left[7 * shape.k + 44] = 0.0;
            let out = multiply(tile, shape, Values::F32(&left), &columns, Tail::default());
            for values in out.chunks(shape.n) {
                assert!(values[..36].iter().all(|x| x.is_finite()) && !values[36].is_finite());
            }
        }
    }
}

#[test]
fn bad_values_stay_visible_where_they_belong() {
    each_tile(&BadValues);
}

struct Tails;

impl Check for Tails {
    fn check<T: Tile>(&self, tile: T, _: Numbers) {
        let mut random = Random(6);
        let shape = Shape { m: 35, n: 51, k: 40, stride: 43 };
        let (left, right) = (random.floats(shape.left_len()), random.floats(shape.n * shape.k));
        let (bias, residual) = (random.floats(shape.n), random.floats(shape.m * shape.n));
        let sums = multiply(tile, shape, Values::F32(&left), &right, Tail::default());
        for activation in [None, Some(Activation::Gelu), Some(Activation::Silu)] {
            let tail = Tail { bias: Some(&bias), activation, ..Tail::default() };
            let plain = multiply(tile, shape, Values::F32(&left), &right, tail);
            let tail = Tail { residual: Some(&residual), ..tail };
            let added = multiply(tile, shape, Values::F32(&left), &right, tail);
            for (index, sum) in sums.iter().enumerate() {
                let mut expected = [sum + bias[index % shape.n]];
                if let Some(activation) = activation {
                    activation.apply::<true>(&mut expected);
                }
                assert!((plain[index] - expected[0]).abs() < 1e-6);
                assert_eq!(added[index], plain[index] + residual[index]);
            }
            let rows = Rows::new(Values::F32(&left), shape.m, shape.k, shape.stride).unwrap();
            let columns = Made { tile, columns: &right, n: shape.n, k: shape.k };
            let mut short = vec![bf16::NAN; shape.m * shape.n];
            let left = PackedRows::new(tile, rows);
            let out = Out::Bf16(&mut short);
            product(tile, shape.dims(), &left, &columns, &tail, out).unwrap();
            let expected: Vec<_> = added.iter().map(|x| bf16::from_f32(*x)).collect();
            assert_eq!(short, expected);
        }
    }
}

#[test]
fn tails_are_applied_in_order() {
    each_tile(&Tails);
}

struct ShortRows;

impl Check for ShortRows {
    fn check<T: Tile>(&self, tile: T, _: Numbers) {
        let mut random = Random(7);
        let shape = Shape { m: 33, n: 40, k: 51, stride: 54 };
        let right = random.floats(shape.n * shape.k);
        let short: Vec<bf16> =
            random.floats(shape.left_len()).into_iter().map(bf16::from_f32).collect();
        let long: Vec<f32> = short.iter().map(|x| x.to_f32()).collect();
        let of = |left| bits(&multiply(tile, shape, left, &right, Tail::default()));
        assert_eq!(of(Values::Bf16(&short)), of(Values::F32(&long)));
    }
}

#[test]
fn rows_in_bf16_are_rows_of_their_values() {
    each_tile(&ShortRows);
}

#[test]
fn lengths_are_checked() {
    let tile = super::super::portable::Portable;
    let values = [0f32; 12];
    assert!(Rows::new(Values::F32(&values), 3, 4, 5).is_err());
    let rows = Rows::new(Values::F32(&values), 3, 4, 4).unwrap();
    let columns = Made { tile, columns: &values, n: 3, k: 4 };
    let left = PackedRows::new(tile, rows);
    let dims = Dims { rows: 3, columns: 3, inner: 4 };
    let run = |tail: Tail<'_>, len: usize| {
        product(tile, dims, &left, &columns, &tail, Out::F32(&mut vec![0f32; len]))
    };
    assert!(run(Tail::default(), 9).is_ok());
    assert!(run(Tail::default(), 8).is_err());
    assert!(run(Tail { bias: Some(&values[..2]), ..Tail::default() }, 9).is_err());
    assert!(run(Tail { residual: Some(&values[..8]), ..Tail::default() }, 9).is_err());
    assert!(run(Tail { gated: true, bias: Some(&values[..3]), ..Tail::default() }, 9).is_err());
}
