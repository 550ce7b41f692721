//! Matrix products on the host, through the `gemm` crate.
//!
//! A product and both of its gradients need operands in any order in memory and
//! results that are added to what is there; layers for inference need neither.
//!
//! Threads share rows and columns of a product, never its inner dimension, so their
//! number changes no bit.

use candle_core::{Result, bail};
use gemm::Parallelism;

/// A matrix that is read: element `(i, j)` is at `i * row_stride + j * column_stride`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` rows of `columns` consecutive values.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize) -> Result<Self> {
        Self::strided(values, rows, columns, columns)
    }

    /// `rows` rows of `columns` consecutive values, `row_stride` apart.
    pub(super) fn strided(
        values: &'a [f32],
        rows: usize,
        columns: usize,
        row_stride: usize,
    ) -> Result<Self> {
        check(values.len(), rows, columns, row_stride)?;
        Ok(Matrix { values, rows, columns, row_stride, column_stride: 1 })
    }

    /// The transpose.
    pub(super) fn t(self) -> Self {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A matrix that is written: rows of consecutive values.
pub(super) struct MatrixMut<'a> {
    values: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// `rows` rows of `columns` consecutive values.
    pub(super) fn new(values: &'a mut [f32], rows: usize, columns: usize) -> Result<Self> {
        Self::strided(values, rows, columns, columns)
    }

    /// `rows` rows of `columns` consecutive values, `row_stride` apart.
    pub(super) fn strided(
        values: &'a mut [f32],
        rows: usize,
        columns: usize,
        row_stride: usize,
    ) -> Result<Self> {
        check(values.len(), rows, columns, row_stride)?;
        if columns > row_stride && rows > 1 {
            bail!("rows of {columns} values overlap when they are {row_stride} apart")
        }
        Ok(MatrixMut { values, rows, columns, row_stride })
    }
}

fn check(len: usize, rows: usize, columns: usize, row_stride: usize) -> Result<()> {
    let last = rows.checked_sub(1).and_then(|rows| rows.checked_mul(row_stride));
    let end = last.and_then(|last| last.checked_add(columns));
    if rows > 0 && end.is_none_or(|end| end > len) {
        bail!("{rows} rows of {columns} values, {row_stride} apart, in {len} values")
    }
    Ok(())
}

/// What a product does with what is in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// Replaces it.
    Set,
    /// Is added to it.
    Add,
}

/// Who computes a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Threads {
    /// The calling thread, where others have products of their own.
    One,
    /// The threads of the pool.
    All,
}

/// `out = scale * a @ b`, or that added to `out`.
///
/// # Errors
///
/// When the shapes do not fit.
#[allow(unsafe_code)]
pub(super) fn multiply(
    out: MatrixMut<'_>,
    write: Write,
    (scale, a, b): (f32, Matrix<'_>, Matrix<'_>),
    threads: Threads,
) -> Result<()> {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    if b.rows != k || (out.rows, out.columns) != (m, n) {
        let (rows, columns) = (out.rows, out.columns);
        bail!("matrix product of {m}x{k} and {}x{n} into {rows}x{columns}", b.rows)
    }
    if m == 0 || n == 0 {
        return Ok(());
    }
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(rayon::current_num_threads()),
    };
    // SAFETY: `gemm` reads element (i, j) of an operand at `i * row_stride + j *
    // column_stride` and reads and writes `out` at `i * row_stride + j`, for i and j
    // below the rows and columns. All three have been checked to have their last such
    // element within their slices when they were made (`check`; transposing swaps both
    // the sizes and the strides), and strides are not negative. `out` is borrowed
    // exclusively, so it overlaps no operand, and its rows do not overlap each other.
    // With k = 0 the operands are not read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.values.as_mut_ptr(),
            1,
            out.row_stride as isize,
            write == Write::Add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1f32,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn wave(len: usize, step: f32) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * step).sin()).collect()
    }

    fn at(matrix: Matrix<'_>, i: usize, j: usize) -> f64 {
        f64::from(matrix.values[i * matrix.row_stride + j * matrix.column_stride])
    }

    proptest! {
        #[test]
        fn any_shape_and_stride_equals_the_definition(
            m in 1_usize..50, k in 0_usize..50, n in 1_usize..50, gap in 0_usize..3,
            transpose_a: bool, transpose_b: bool, add: bool,
        ) {
            let (a, b) = (wave((m + gap) * (k + gap), 0.37), wave((k + gap) * (n + gap), 0.73));
            let matrix = |values, rows, columns, transposed: bool| match transposed {
                true => Matrix::strided(values, columns, rows, rows + gap).map(Matrix::t),
                false => Matrix::strided(values, rows, columns, columns + gap),
            };
            let (a, b) = (matrix(&a, m, k, transpose_a), matrix(&b, k, n, transpose_b));
            let (a, b) = (a.unwrap(), b.unwrap());
            let before = wave(m * (n + gap), 0.11);
            let mut out = before.clone();
            let view = MatrixMut::strided(&mut out, m, n, n + gap).unwrap();
            let write = if add { Write::Add } else { Write::Set };
            multiply(view, write, (0.5, a, b), Threads::All).unwrap();
            for (index, (&now, &old)) in out.iter().zip(&before).enumerate() {
                let (i, j) = (index / (n + gap), index % (n + gap));
                if j >= n {
                    prop_assert_eq!(now, old, "what lies between rows is left alone");
                    continue;
                }
                let product: f64 = (0..k).map(|c| at(a, i, c) * at(b, c, j)).sum();
                let exact = 0.5 * product + if add { f64::from(old) } else { 0.0 };
                prop_assert!((f64::from(now) - exact).abs() < 1e-5, "{now} {exact}");
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        for (m, k, n) in [(1, 300, 257), (520, 320, 640), (640, 5000, 192), (77, 64, 77)] {
            let (a, b) = (wave(m * k, 0.37), wave(k * n, 0.73));
            let product = |threads: usize, way: Threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut out = vec![0f32; m * n];
                pool.install(|| {
                    let (a, b) = (Matrix::new(&a, m, k).unwrap(), Matrix::new(&b, k, n).unwrap());
                    let out = MatrixMut::new(&mut out, m, n).unwrap();
                    multiply(out, Write::Set, (1.0, a, b), way).unwrap();
                });
                out.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let alone = product(1, Threads::One);
            for threads in [1, 2, 3, 5] {
                assert!(alone == product(threads, Threads::All), "{m}x{k}x{n} on {threads}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let values = wave(12, 0.1);
        assert!(Matrix::new(&values, 3, 4).is_ok());
        assert!(Matrix::new(&values, 3, 5).is_err());
        assert!(Matrix::strided(&values, 2, 4, usize::MAX).is_err());
        let mut out = vec![0f32; 12];
        assert!(MatrixMut::strided(&mut out, 3, 4, 3).is_err());
        let (a, b) = (Matrix::new(&values, 3, 4).unwrap(), Matrix::new(&values, 3, 4).unwrap());
        let out = MatrixMut::new(&mut out, 3, 3).unwrap();
        assert!(multiply(out, Write::Set, (1.0, a, b), Threads::One).is_err());
    }
}
