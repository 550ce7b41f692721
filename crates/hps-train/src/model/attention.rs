//! Self-attention: `softmax(q k^T / sqrt(d)) v` in every head.
//!
//! Attention weights are not kept from the forward to the backward pass but computed
//! again: they are the largest of all intermediate results.

use candle_core::{D, Device, Result, Tensor, bail};
use rayon::prelude::*;

use super::host::{HostValues, on_host};
use super::product::{Matrix, MatrixMut, Threads, Write, multiply};
use super::vector::{Loop, dot, exp, max, sum, vectorise};

/// The shape of an attention over sequences of `len` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attention {
    pub(super) heads: usize,
    /// Whether a row sees only itself and those before it.
    pub(super) causal: bool,
}

impl Attention {
    /// `qkv: [items * len, 3 * width]`, queries, keys and values side by side, to
    /// `[items * len, width]`.
    pub(super) fn forward(&self, qkv: &Tensor, len: usize) -> Result<Tensor> {
        let item = self.item(qkv, len)?;
        let rows = qkv.dim(0)?;
        if !on_host(qkv) {
            let [_, _, v, weights] = self.on_device(qkv, item)?;
            return merge(&weights.matmul(&v)?, rows);
        }
        let values = HostValues::of(qkv)?;
        let mut out = vec![0f32; rows * item.width];
        out.par_chunks_mut((len * item.width).max(1))
            .zip(values.slice()?.par_chunks((len * item.width * 3).max(1)))
            .try_for_each(|(out, qkv)| item.forward(qkv, out))?;
        Tensor::from_vec(out, (rows, item.width), qkv.device())
    }

    /// The gradient of `qkv` where `dys: [items * len, width]` is that of the result.
    pub(super) fn backward(&self, qkv: &Tensor, dys: &Tensor, len: usize) -> Result<Tensor> {
        let item = self.item(qkv, len)?;
        if dys.dims() != [qkv.dim(0)?, item.width] {
            bail!("the gradient of an attention is {:?}", dys.shape())
        }
        if !on_host(qkv) {
            return self.backward_on_device(qkv, dys, item);
        }
        let (values, dy_values) = (HostValues::of(qkv)?, HostValues::of(dys)?);
        let mut out = vec![0f32; qkv.elem_count()];
        let chunk = (len * item.width).max(1);
        out.par_chunks_mut(3 * chunk)
            .zip(values.slice()?.par_chunks(3 * chunk))
            .zip(dy_values.slice()?.par_chunks(chunk))
            .try_for_each(|((out, qkv), dys)| item.backward(qkv, dys, out))?;
        Tensor::from_vec(out, qkv.shape(), qkv.device())
    }

    fn item(&self, qkv: &Tensor, len: usize) -> Result<Item> {
        let (rows, columns) = qkv.dims2()?;
        let width = columns / 3;
        let heads = self.heads;
        if len == 0 || rows % len != 0 || columns % 3 != 0 || heads == 0 || width % heads != 0 {
            bail!("{rows}x{columns} is no attention of {heads} heads over {len} rows")
        }
        Ok(Item { len, width, heads, causal: self.causal })
    }

    /// Queries, keys, values `[items, heads, len, d]` and attention weights.
    fn on_device(&self, qkv: &Tensor, item: Item) -> Result<[Tensor; 4]> {
        let Item { len, width, heads, .. } = item;
        let part = |i: usize| {
            let part = qkv.narrow(1, i * width, width)?;
            part.reshape(((), len, heads, width / heads))?.transpose(1, 2)?.contiguous()
        };
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let mut logits = (q.matmul(&k.t()?)? * f64::from(item.scale()))?;
        if self.causal {
            logits = logits.broadcast_add(&causal_mask(len, qkv.device())?)?;
        }
        let exps = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
        let weights = exps.broadcast_div(&exps.sum_keepdim(D::Minus1)?)?;
        Ok([q, k, v, weights])
    }

    fn backward_on_device(&self, qkv: &Tensor, dys: &Tensor, item: Item) -> Result<Tensor> {
        let Item { len, width, heads, .. } = item;
        let [q, k, v, weights] = self.on_device(qkv, item)?;
        let dys = dys.reshape(((), len, heads, width / heads))?.transpose(1, 2)?.contiguous()?;
        let dv = weights.t()?.contiguous()?.matmul(&dys)?;
        let dweights = dys.matmul(&v.t()?)?;
        let along = dweights.mul(&weights)?.sum_keepdim(D::Minus1)?;
        let dlogits = weights.mul(&dweights.broadcast_sub(&along)?)?;
        let dlogits = (dlogits * f64::from(item.scale()))?;
        let dq = dlogits.matmul(&k)?;
        let dk = dlogits.t()?.contiguous()?.matmul(&q)?;
        let rows = qkv.dim(0)?;
        Tensor::cat(&[merge(&dq, rows)?, merge(&dk, rows)?, merge(&dv, rows)?], 1)
    }
}

/// `[items, heads, len, d]` to `[items * len, heads * d]`.
fn merge(xs: &Tensor, rows: usize) -> Result<Tensor> {
    xs.transpose(1, 2)?.contiguous()?.reshape((rows, ()))
}

fn causal_mask(len: usize, device: &Device) -> Result<Tensor> {
    let hidden = |i: usize| if i % len > i / len { f32::NEG_INFINITY } else { 0.0 };
    Tensor::from_vec((0..len * len).map(hidden).collect::<Vec<_>>(), (len, len), device)
}

/// The softmax of a row, in place.
struct Softmax<'a>(&'a mut [f32]);

impl Loop for Softmax<'_> {
    #[inline(always)]
    fn run(self) {
        let largest = max(self.0);
        for x in self.0.iter_mut() {
            *x = exp(*x - largest);
        }
        let factor = 1.0 / sum(self.0);
        for x in self.0.iter_mut() {
            *x *= factor;
        }
    }
}

/// The attention of one sequence on the host.
#[derive(Clone, Copy)]
struct Item {
    len: usize,
    width: usize,
    heads: usize,
    causal: bool,
}

impl Item {
    fn scale(&self) -> f32 {
        1.0 / ((self.width / self.heads) as f32).sqrt()
    }

    /// The columns of part `part` (query, key, value) of a head.
    fn part<'a>(&self, qkv: &'a [f32], part: usize, head: usize) -> Result<Matrix<'a>> {
        let d = self.width / self.heads;
        let offset = part * self.width + head * d;
        Matrix::strided(qkv.get(offset..).unwrap_or_default(), self.len, d, 3 * self.width)
    }

    fn part_mut<'a>(&self, qkv: &'a mut [f32], part: usize, head: usize) -> Result<MatrixMut<'a>> {
        let d = self.width / self.heads;
        let offset = part * self.width + head * d;
        let values = qkv.get_mut(offset..).unwrap_or_default();
        MatrixMut::strided(values, self.len, d, 3 * self.width)
    }

    /// The attention weights `[len, len]` of a head.
    fn weights(&self, qkv: &[f32], head: usize, weights: &mut [f32]) -> Result<()> {
        let (q, k) = (self.part(qkv, 0, head)?, self.part(qkv, 1, head)?);
        let logits = MatrixMut::new(weights, self.len, self.len)?;
        multiply(logits, Write::Set, (self.scale(), q, k.t()), Threads::One)?;
        for (index, row) in weights.chunks_exact_mut(self.len).enumerate() {
            let visible = if self.causal { index + 1 } else { self.len };
            let (row, hidden) = row.split_at_mut(visible);
            hidden.fill(0.0);
            vectorise(Softmax(row));
        }
        Ok(())
    }

    fn forward(&self, qkv: &[f32], out: &mut [f32]) -> Result<()> {
        let (len, d) = (self.len, self.width / self.heads);
        let mut weights = vec![0f32; len * len];
        for head in 0..self.heads {
            self.weights(qkv, head, &mut weights)?;
            let out = out.get_mut(head * d..).unwrap_or_default();
            let out = MatrixMut::strided(out, len, d, self.width)?;
            let operands = (1.0, Matrix::new(&weights, len, len)?, self.part(qkv, 2, head)?);
            multiply(out, Write::Set, operands, Threads::One)?;
        }
        Ok(())
    }

    fn backward(&self, qkv: &[f32], dys: &[f32], out: &mut [f32]) -> Result<()> {
        let (len, d) = (self.len, self.width / self.heads);
        let (mut weights, mut dweights) = (vec![0f32; len * len], vec![0f32; len * len]);
        for head in 0..self.heads {
            self.weights(qkv, head, &mut weights)?;
            let dys = dys.get(head * d..).unwrap_or_default();
            let dys = Matrix::strided(dys, len, d, self.width)?;
            let w = Matrix::new(&weights, len, len)?;
            let dv = self.part_mut(out, 2, head)?;
            multiply(dv, Write::Set, (1.0, w.t(), dys), Threads::One)?;
            let v = self.part(qkv, 2, head)?;
            let view = MatrixMut::new(&mut dweights, len, len)?;
            multiply(view, Write::Set, (1.0, dys, v.t()), Threads::One)?;
            // Through the softmax; hidden weights are 0 and stay so.
            let rows = dweights.chunks_exact_mut(len).zip(weights.chunks_exact(len));
            for (dweights, weights) in rows {
                let along = dot(dweights, weights);
                dweights.iter_mut().zip(weights).for_each(|(dw, w)| *dw = w * (*dw - along));
            }
            let dlogits = Matrix::new(&dweights, len, len)?;
            let (q, k) = (self.part(qkv, 0, head)?, self.part(qkv, 1, head)?);
            let dq = self.part_mut(out, 0, head)?;
            multiply(dq, Write::Set, (self.scale(), dlogits, k), Threads::One)?;
            let dk = self.part_mut(out, 1, head)?;
            multiply(dk, Write::Set, (self.scale(), dlogits.t(), q), Threads::One)?;
        }
        Ok(())
    }
}
