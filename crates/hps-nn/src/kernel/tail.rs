//! What happens to a block of sums before it is written: bias, activation, residual.

use half::bf16;

use super::bf16::round;
use super::vector::Routine;
use crate::Activation;

/// The end of a product: `out = activation(sums + bias) + residual`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tail<'a> {
    /// One value per column.
    pub bias: Option<&'a [f32]>,
    /// Applied after the bias.
    pub activation: Option<Activation>,
    /// Added last; laid out as the output.
    pub residual: Option<&'a [f32]>,
    /// Each right panel holds equally many values and gates, and `out = value *
    /// activation(gate) + residual`. The output has half as many columns as the right
    /// side; `bias` has those of all values, then those of all gates.
    pub gated: bool,
}

/// Where a product goes: rows of `columns` values.
pub(crate) enum Out<'a> {
    F32(&'a mut [f32]),
    Bf16(&'a mut [bf16]),
}

/// The largest number of columns of a block.
const WIDEST: usize = 64;

/// A row of a block, padded to the block's columns.
type Row = [f32; WIDEST];

/// The tail of a block of sums, given as rows of `columns`, of which `width` are written.
pub(super) struct Finish<'a, R> {
    pub sums: &'a [f32],
    pub columns: usize,
    pub width: usize,
    pub gated: bool,
    /// Added to every row before the activation.
    pub bias: Row,
    pub activation: Option<Activation>,
    /// The rows of the output that the block has, with their residuals.
    pub rows: R,
}

/// Part of a row of the output.
pub(super) struct OutRow<'a> {
    pub residual: Option<&'a [f32]>,
    pub values: OutValues<'a>,
}

/// The place of an [`OutRow`].
pub(super) enum OutValues<'a> {
    F32(&'a mut [f32]),
    Bf16(&'a mut [bf16]),
}

impl<'a, R: Iterator<Item = OutRow<'a>>> Routine for Finish<'a, R> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Finish { sums, columns, width, gated, bias, activation, rows } = self;
        let (mut row, bias) = ([0f32; WIDEST], &bias[..columns]);
        let row = &mut row[..columns];
        for (sums, out) in sums.chunks_exact(columns).zip(rows) {
            row.iter_mut().zip(sums).zip(bias).for_each(|((x, sum), bias)| *x = sum + bias);
            if gated {
                let (values, gates) = row.split_at_mut(columns / 2);
                apply::<FMA>(activation, gates);
                values.iter_mut().zip(gates).for_each(|(value, gate)| *value *= *gate);
            } else {
                apply::<FMA>(activation, row);
            }
            out.write(&row[..width]);
        }
    }
}

#[inline(always)]
fn apply<const FMA: bool>(activation: Option<Activation>, values: &mut [f32]) {
    if let Some(activation) = activation {
        activation.apply::<FMA>(values);
    }
}

impl OutRow<'_> {
    #[inline(always)]
    fn write(self, row: &[f32]) {
        match (self.values, self.residual) {
            (OutValues::F32(values), None) => copy(values, row),
            (OutValues::F32(values), Some(rs)) => each_with(values, row, rs, |x| x),
            (OutValues::Bf16(values), None) => each(values, row, |x| bf16::from_bits(round(x))),
            (OutValues::Bf16(values), Some(residual)) => {
                each_with(values, row, residual, |x| bf16::from_bits(round(x)));
            }
        }
    }
}

/// As `copy_from_slice`, which for so few values should not be a call: most rows are of
/// whole strips.
#[inline(always)]
fn copy(out: &mut [f32], row: &[f32]) {
    let (strips, rest) = out.as_chunks_mut::<16>();
    let (row, row_rest) = row.as_chunks::<16>();
    match (strips, row) {
        ([a, b], [x, y]) => (*a, *b) = (*x, *y),
        (strips, row) => strips.iter_mut().zip(row).for_each(|(y, x)| *y = *x),
    }
    rest.iter_mut().zip(row_rest).for_each(|(y, x)| *y = *x);
}

#[inline(always)]
fn each<T>(out: &mut [T], row: &[f32], convert: impl Fn(f32) -> T) {
    out.iter_mut().zip(row).for_each(|(y, x)| *y = convert(*x));
}

#[inline(always)]
fn each_with<T>(out: &mut [T], row: &[f32], residual: &[f32], convert: impl Fn(f32) -> T) {
    let sums = row.iter().zip(residual);
    out.iter_mut().zip(sums).for_each(|(y, (x, r))| *y = convert(x + r));
}
