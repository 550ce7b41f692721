//! Matrices before packing.

use candle_core::{Result, bail};
use half::bf16;

/// Values of an operand as a layer has them.
#[derive(Clone, Copy)]
pub(crate) enum Values<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
}

/// Rows of a matrix whose inner dimension is contiguous: row `i` is the `k` values
/// from `i * stride`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    values: Values<'a>,
    count: usize,
    k: usize,
    stride: usize,
}

impl<'a> Rows<'a> {
    /// `count` rows of `k` values, `stride` apart.
    ///
    /// # Errors
    ///
    /// When the last row does not lie in `values`.
    pub(crate) fn new(values: Values<'a>, count: usize, k: usize, stride: usize) -> Result<Self> {
        let len = match values {
            Values::F32(values) => values.len(),
            Values::Bf16(values) => values.len(),
        };
        if count > 0 && (count - 1).saturating_mul(stride).saturating_add(k) > len {
            bail!("{count} rows of {k}, {stride} apart, do not lie in {len} values")
        }
        Ok(Rows { values, count, k, stride })
    }

    /// Number of rows.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Length of a row.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// At most `count` rows from `first`.
    pub(crate) fn slice(&self, first: usize, count: usize) -> Rows<'a> {
        let first = first.min(self.count);
        let count = count.min(self.count - first);
        // Without rows the offset may be past the end of the values.
        let offset = if count == 0 { 0 } else { first * self.stride };
        let values = match self.values {
            Values::F32(values) => Values::F32(&values[offset..]),
            Values::Bf16(values) => Values::Bf16(&values[offset..]),
        };
        Rows { values, count, ..*self }
    }

    /// `k` inner steps from `start`, which all rows must have.
    pub(crate) fn narrow(&self, start: usize, k: usize) -> Rows<'a> {
        assert!(start + k <= self.k);
        let offset = if self.count == 0 { 0 } else { start };
        let values = match self.values {
            Values::F32(values) => Values::F32(&values[offset..]),
            Values::Bf16(values) => Values::Bf16(&values[offset..]),
        };
        Rows { values, k, ..*self }
    }

    /// Row `index`, below [`count`](Self::count).
    #[inline(always)]
    pub(crate) fn row(&self, index: usize) -> Values<'a> {
        let range = index * self.stride..index * self.stride + self.k;
        match self.values {
            Values::F32(values) => Values::F32(&values[range]),
            Values::Bf16(values) => Values::Bf16(&values[range]),
        }
    }
}

/// Packs rows into a panel of `[k][R]` floats, missing rows as zeros.
#[inline(always)]
pub(super) fn interleave<const R: usize>(rows: Rows<'_>, panel: &mut [f32]) {
    const STEPS: usize = 16;
    for (index, steps) in panel.chunks_mut(STEPS * R).enumerate() {
        let range = index * STEPS..index * STEPS + steps.len() / R;
        let mut lanes = [[0f32; STEPS]; R];
        for (row, lane) in lanes.iter_mut().enumerate().take(rows.count()) {
            match rows.row(row) {
                Values::F32(row) => lane[..range.len()].copy_from_slice(&row[range.clone()]),
                Values::Bf16(row) => {
                    let pairs = lane.iter_mut().zip(&row[range.clone()]);
                    pairs.for_each(|(value, &x)| *value = x.to_f32());
                }
            }
        }
        for (step, values) in steps.chunks_exact_mut(R).enumerate() {
            values.iter_mut().zip(&lanes).for_each(|(value, lane)| *value = lane[step]);
        }
    }
}
