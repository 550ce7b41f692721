//! Fully connected layers.

use candle_core::{CpuStorage, InplaceOp3, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use super::host::{BLOCK_ROWS, HostValues, on_host};
use super::parameters::{Gradients, Id, Parameters, host, host_mut};
use super::product::{Matrix, MatrixMut, Threads, Write, multiply};

/// How a weight lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WeightOrder {
    /// `[out, in]`, as `torch.nn.Linear`: `y = x @ weight.T`.
    OutIn,
    /// `[in, out]`, as CLIP's projections: `y = x @ weight`.
    InOut,
}

/// `y = x @ weight.T + bias` over rows of `x`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    pub(super) weight: Id,
    pub(super) bias: Option<Id>,
    pub(super) order: WeightOrder,
}

impl Linear {
    /// A layer of the tensors `weight: [out, in]` and `bias`.
    pub(super) fn new(parameters: &Parameters, weight: &str, bias: &str) -> Result<Self> {
        let bias = Some(parameters.id(bias)?);
        Ok(Linear { weight: parameters.id(weight)?, bias, order: WeightOrder::OutIn })
    }

    /// A layer of the tensor `weight: [in, out]`.
    pub(super) fn projection(parameters: &Parameters, weight: &str) -> Result<Self> {
        Ok(Linear { weight: parameters.id(weight)?, bias: None, order: WeightOrder::InOut })
    }

    /// Whether any of its tensors is trained.
    pub(super) fn is_trainable(&self, parameters: &Parameters) -> bool {
        let bias = self.bias.is_some_and(|bias| parameters.is_trainable(bias));
        bias || parameters.is_trainable(self.weight)
    }

    /// The weight as `[out, in]`, whatever its own shape has after the first dimension.
    fn weight<'a>(&self, parameters: &'a Parameters) -> Result<std::borrow::Cow<'a, Tensor>> {
        let weight = parameters.value(self.weight);
        if weight.rank() == 2 {
            return Ok(std::borrow::Cow::Borrowed(weight));
        }
        Ok(std::borrow::Cow::Owned(weight.flatten_from(1)?))
    }

    /// `[rows, in]` to `[rows, out]`, with `residual: [rows, out]` added.
    pub(super) fn forward(
        &self,
        parameters: &Parameters,
        xs: &Tensor,
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        let weight = self.weight(parameters)?;
        let bias = self.bias.map(|bias| parameters.value(bias));
        if on_host(xs) {
            return self.forward_host(&weight, bias, xs, residual);
        }
        let mut ys = match self.order {
            WeightOrder::OutIn => xs.matmul(&weight.t()?)?,
            WeightOrder::InOut => xs.matmul(&weight)?,
        };
        if let Some(bias) = bias {
            ys = ys.broadcast_add(bias)?;
        }
        residual.map_or(Ok(ys.clone()), |residual| ys.add(residual))
    }

    /// `[in, out]` as the product sees it.
    fn matrix<'a>(&self, weight: &Tensor, values: &'a [f32]) -> Result<Matrix<'a>> {
        let (rows, columns) = weight.dims2()?;
        let matrix = Matrix::new(values, rows, columns)?;
        Ok(if self.order == WeightOrder::OutIn { matrix.t() } else { matrix })
    }

    fn out_dim(&self, weight: &Tensor) -> Result<usize> {
        weight.dim(if self.order == WeightOrder::OutIn { 0 } else { 1 })
    }

    fn forward_host(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        xs: &Tensor,
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        let (rows, inner) = xs.dims2()?;
        let out_dim = self.out_dim(weight)?;
        let (xs, weights) = (HostValues::of(xs)?, HostValues::of(weight)?);
        let (mut ys, write) = starting_values(rows, out_dim, bias, residual)?;
        let a = Matrix::new(xs.slice()?, rows, inner)?;
        let b = self.matrix(weight, weights.slice()?)?;
        multiply(MatrixMut::new(&mut ys, rows, out_dim)?, write, (1.0, a, b), Threads::All)?;
        Tensor::from_vec(ys, (rows, out_dim), weight.device())
    }

    /// Adds the gradients of the parameters where `dys: [rows, out]` is that of the
    /// result for `xs`.
    pub(super) fn backward_parameters(
        &self,
        parameters: &Parameters,
        gradients: &mut Gradients,
        xs: &Tensor,
        dys: &Tensor,
    ) -> Result<()> {
        if let Some(bias) = self.bias.filter(|bias| gradients.wants(*bias)) {
            gradients.add(bias, column_sums(dys)?)?;
        }
        if !gradients.wants(self.weight) {
            return Ok(());
        }
        // dW = dY^T X as [out, in], X^T dY as [in, out].
        let (left, right) = match self.order {
            WeightOrder::OutIn => (dys, xs),
            WeightOrder::InOut => (xs, dys),
        };
        let weight = parameters.value(self.weight);
        if on_host(xs) {
            let sum = gradients.sum(self.weight, weight)?;
            return sum.inplace_op3(left, right, &AddProduct);
        }
        let gradient = left.t()?.matmul(right)?.reshape(weight.shape())?;
        gradients.add(self.weight, gradient)
    }

    /// The gradient of the input, `[rows, in]`.
    pub(super) fn backward_input(&self, parameters: &Parameters, dys: &Tensor) -> Result<Tensor> {
        let weight = self.weight(parameters)?;
        if !on_host(dys) {
            return match self.order {
                WeightOrder::OutIn => dys.matmul(&weight),
                WeightOrder::InOut => dys.matmul(&weight.t()?),
            };
        }
        let (rows, out_dim) = dys.dims2()?;
        let (dys, weights) = (HostValues::of(dys)?, HostValues::of(&weight)?);
        let b = self.matrix(&weight, weights.slice()?)?.t();
        let inner = weight.elem_count() / out_dim.max(1);
        let mut dxs = vec![0f32; rows * inner];
        let a = Matrix::new(dys.slice()?, rows, out_dim)?;
        let out = MatrixMut::new(&mut dxs, rows, inner)?;
        multiply(out, Write::Set, (1.0, a, b), Threads::All)?;
        Tensor::from_vec(dxs, (rows, inner), weight.device())
    }

    /// Both of the above.
    pub(super) fn backward(
        &self,
        parameters: &Parameters,
        gradients: &mut Gradients,
        xs: &Tensor,
        dys: &Tensor,
    ) -> Result<Tensor> {
        self.backward_parameters(parameters, gradients, xs, dys)?;
        self.backward_input(parameters, dys)
    }
}

/// `bias + residual` in every row, which a product is then added to.
fn starting_values(
    rows: usize,
    columns: usize,
    bias: Option<&Tensor>,
    residual: Option<&Tensor>,
) -> Result<(Vec<f32>, Write)> {
    let bias = bias.map(HostValues::of).transpose()?;
    let bias = bias.as_ref().map(HostValues::slice).transpose()?;
    let residual = residual.map(HostValues::of).transpose()?;
    let residual = residual.as_ref().map(HostValues::slice).transpose()?;
    if residual.is_some_and(|residual| residual.len() != rows * columns) {
        bail!("a residual that is not {rows}x{columns}")
    }
    let mut values = vec![0f32; rows * columns];
    let block = (BLOCK_ROWS * columns).max(1);
    match (bias, residual) {
        (None, None) => return Ok((values, Write::Set)),
        (bias, Some(residual)) => {
            let blocks = values.par_chunks_mut(block).zip(residual.par_chunks(block));
            blocks.for_each(|(values, residual)| {
                values.copy_from_slice(residual);
                if let Some(bias) = bias {
                    for row in values.chunks_mut(columns) {
                        row.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
                    }
                }
            });
        }
        (Some(bias), None) => values.par_chunks_mut(block).for_each(|values| {
            for row in values.chunks_mut(columns) {
                row.copy_from_slice(bias);
            }
        }),
    }
    Ok((values, Write::Add))
}

/// The sum of the rows of `xs: [rows, columns]`, in blocks of rows.
pub(super) fn column_sums(xs: &Tensor) -> Result<Tensor> {
    if !on_host(xs) {
        return xs.sum(0);
    }
    let columns = xs.dim(1)?;
    let values = HostValues::of(xs)?;
    let parts: Vec<Vec<f32>> = values
        .slice()?
        .par_chunks((BLOCK_ROWS * columns).max(1))
        .map(|block| {
            let mut part = vec![0f32; columns];
            for row in block.chunks_exact(columns) {
                part.iter_mut().zip(row).for_each(|(a, b)| *a += b);
            }
            part
        })
        .collect();
    let mut sum = vec![0f32; columns];
    add_parts(&mut sum, &parts);
    Tensor::from_vec(sum, columns, xs.device())
}

/// Adds the sums over blocks of rows, block by block.
pub(super) fn add_parts(sum: &mut [f32], parts: &[Vec<f32>]) {
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(a, b)| *a += b);
    }
}

/// `sum += left.T @ right` of matrices with equally many rows.
struct AddProduct;

impl InplaceOp3 for AddProduct {
    fn name(&self) -> &'static str {
        "add-product"
    }

    fn cpu_fwd(
        &self,
        sum: &mut CpuStorage,
        sum_layout: &Layout,
        left: &CpuStorage,
        left_layout: &Layout,
        right: &CpuStorage,
        right_layout: &Layout,
    ) -> Result<()> {
        let sum = host_mut(sum, sum_layout)?;
        let (rows, m) = left_layout.shape().dims2()?;
        let (right_rows, n) = right_layout.shape().dims2()?;
        let a = Matrix::new(host(left, left_layout)?, rows, m)?.t();
        let b = Matrix::new(host(right, right_layout)?, right_rows, n)?;
        multiply(MatrixMut::new(sum, m, n)?, Write::Add, (1.0, a, b), Threads::All)
    }
}
