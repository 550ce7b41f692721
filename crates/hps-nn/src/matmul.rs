//! Matrix products on the host, through the `gemm` crate.
//!
//! candle's own product asks the system for the number of physical cores at every
//! call and may see one where there are two; this one uses the pool that everything
//! else computes in.
//!
//! Threads share rows and columns of a product, never its inner dimension, so the
//! number of threads changes no bit. The shapes and the order of the operands in
//! memory do: a layer has to call it with the same ones whatever the batch.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use gemm::Parallelism;
use rayon::prelude::*;

/// `a @ b` of `a: [m, k]` and `b: [k, n]`, or item by item of `[batch, m, k]` and
/// `[batch, k, n]`. Operands need not be contiguous.
///
/// # Errors
///
/// When the shapes do not fit or the values are not `f32`.
pub(crate) fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.device().is_cpu() { a.apply_op2_no_bwd(b, &MatMul) } else { a.matmul(b) }
}

struct MatMul;

impl CustomOp2 for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let lhs = Operand::new(a.as_slice::<f32>()?, a_layout)?;
        let rhs = Operand::new(b.as_slice::<f32>()?, b_layout)?;
        if lhs.columns != rhs.rows || lhs.batch != rhs.batch {
            bail!("matrix product of {:?} and {:?}", a_layout.shape(), b_layout.shape())
        }
        let (m, n) = (lhs.rows, rhs.columns);
        let mut out = vec![0f32; lhs.batch * m * n];
        let shape = match a_layout.shape().rank() {
            2 => Shape::from((m, n)),
            _ => Shape::from((lhs.batch, m, n)),
        };
        if out.is_empty() {
            return Ok((CpuStorage::F32(out), shape));
        }
        if lhs.batch == 1 {
            let threads = Parallelism::Rayon(rayon::current_num_threads());
            product(&mut out, lhs.item(0)?, rhs.item(0)?, threads)?;
        } else {
            // Heads of attention: one each is better than all on every one.
            out.par_chunks_mut(m * n).enumerate().try_for_each(|(index, out)| {
                product(out, lhs.item(index)?, rhs.item(index)?, Parallelism::None)
            })?;
        }
        Ok((CpuStorage::F32(out), shape))
    }
}

/// A batch of strided matrices.
struct Operand<'a> {
    values: &'a [f32],
    batch: usize,
    rows: usize,
    columns: usize,
    batch_stride: usize,
    row_stride: usize,
    column_stride: usize,
}

/// One strided matrix: element `(i, j)` is at `i * row_stride + j * column_stride`.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Operand<'a> {
    fn new(values: &'a [f32], layout: &Layout) -> Result<Self> {
        let values = values.get(layout.start_offset()..).unwrap_or_default();
        let (batch, rows, columns, batch_stride, row_stride, column_stride) =
            match (layout.dims(), layout.stride()) {
                (&[rows, columns], &[row, column]) => (1, rows, columns, 0, row, column),
                (&[batch, rows, columns], &[item, row, column]) => {
                    (batch, rows, columns, item, row, column)
                }
                _ => bail!("matrix product with {:?}", layout.shape()),
            };
        Ok(Operand { values, batch, rows, columns, batch_stride, row_stride, column_stride })
    }

    /// The matrix at `index`, with every element inside of the values.
    fn item(&self, index: usize) -> Result<Matrix<'a>> {
        let Operand { rows, columns, row_stride, column_stride, .. } = *self;
        let values = self.values.get(index * self.batch_stride..).unwrap_or_default();
        let last = rows.saturating_sub(1) * row_stride + columns.saturating_sub(1) * column_stride;
        if rows > 0 && columns > 0 && last >= values.len() {
            bail!("a matrix of {rows}x{columns} does not lie in its {} values", values.len())
        }
        Ok(Matrix { values, rows, columns, row_stride, column_stride })
    }
}

/// `out = a @ b` with `out` in row-major order.
#[allow(unsafe_code)]
fn product(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, threads: Parallelism) -> Result<()> {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    if b.rows != k || out.len() != m * n {
        bail!("matrix product of {m}x{k} and {}x{n} into {} values", b.rows, out.len())
    }
    // SAFETY: `gemm` reads element (i, j) of an operand at `i * row_stride + j *
    // column_stride` for i below its rows and j below its columns. `Operand::item`
    // has checked that the largest such offset lies in `values`, and all strides are
    // non-negative, so every read is in bounds. It writes `out` at `i * n + j` for
    // i < m and j < n, which is exactly its checked length; `out` is borrowed
    // exclusively, so it overlaps no operand. With k = 0 the operands are not read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            0f32,
            1f32,
            false,
            false,
            false,
            threads,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use proptest::prelude::*;

    use super::*;

    fn wave(shape: &[usize], step: f32) -> Tensor {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().and_then(|tensor| tensor.to_vec1()).expect("values")
    }

    /// The definition in f64, on plain row-major copies.
    fn naive(a: &Tensor, b: &Tensor) -> Vec<f64> {
        let (m, k) = a.dims2().expect("a matrix");
        let n = b.dim(1).expect("a matrix");
        let (a, b) = (values(a), values(b));
        let dot = |i: usize, j: usize| -> f64 {
            (0..k).map(|c| f64::from(a[i * k + c]) * f64::from(b[c * n + j])).sum()
        };
        (0..m * n).map(|index| dot(index / n, index % n)).collect()
    }

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool")
    }

    proptest! {
        #[test]
        fn any_shape_and_stride_equals_the_definition(
            m in 1_usize..70, k in 1_usize..70, n in 1_usize..70,
            transpose_a: bool, transpose_b: bool, skip in 0_usize..3,
        ) {
            let side = |rows, columns, transposed: bool, step| {
                match transposed {
                    true => wave(&[columns + skip, rows], step).narrow(0, skip, columns)?.t(),
                    false => wave(&[rows + skip, columns], step).narrow(0, skip, rows),
                }
            };
            let make = || -> Result<_> {
                Ok((side(m, k, transpose_a, 0.37)?, side(k, n, transpose_b, 0.73)?))
            };
            let (a, b) = make().expect("tensors");
            let product = values(&matmul(&a, &b).expect("a product"));
            for (ours, exact) in product.iter().zip(naive(&a, &b)) {
                prop_assert!((f64::from(*ours) - exact).abs() < 2e-5, "{ours} {exact}");
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        for shape in [(1, 300, 257), (257, 320, 640), (77, 64, 77)] {
            let (a, b) = (wave(&[shape.0, shape.1], 0.37), wave(&[shape.1, shape.2], 0.73));
            let with = |threads: usize| {
                let product = pool(threads).install(|| matmul(&a, &b)).expect("a product");
                values(&product).iter().map(|v| v.to_bits()).collect::<Vec<_>>()
            };
            assert_eq!(with(1), with(2), "{shape:?}");
            assert_eq!(with(1), with(5), "{shape:?}");
        }
    }

    #[test]
    fn batches_are_products_of_their_items() {
        let (a, b) = (wave(&[6, 17, 5], 0.3), wave(&[6, 5, 9], 0.7));
        let all = matmul(&a, &b).expect("a product");
        assert_eq!(all.dims(), [6, 17, 9]);
        for index in 0..6 {
            let item = |t: &Tensor| t.get(index).expect("an item");
            let alone = matmul(&item(&a), &item(&b)).expect("a product");
            assert_eq!(values(&alone), values(&item(&all)));
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        assert!(matmul(&wave(&[2, 3], 0.1), &wave(&[4, 2], 0.1)).is_err());
        assert!(matmul(&wave(&[2, 2, 3], 0.1), &wave(&[1, 3, 2], 0.1)).is_err());
        assert!(matmul(&wave(&[3], 0.1), &wave(&[3, 2], 0.1)).is_err());
        let nothing = matmul(&wave(&[0, 3], 0.1), &wave(&[3, 2], 0.1)).expect("an empty product");
        assert_eq!(nothing.dims(), [0, 2]);
        let zero = matmul(&wave(&[2, 0], 0.1), &wave(&[0, 2], 0.1)).expect("a product");
        assert_eq!(values(&zero), [0.0; 4]);
    }

    #[test]
    fn bad_values_stay_visible() {
        let mut row = vec![1f32; 40];
        row[7] = f32::NAN;
        let a = Tensor::from_vec(row, (1, 40), &Device::Cpu).expect("a tensor");
        let product = matmul(&a, &wave(&[40, 33], 0.1)).expect("a product");
        assert!(values(&product).iter().all(|value| value.is_nan()));
    }
}
