//! Scaled dot-product attention: `softmax(q k^T / sqrt(d) + mask) v`.

use candle_core::{D, DType, Device, Result, Tensor};

use crate::matmul::matmul;

/// Bytes of attention weights computed at a time. Long sequences are cut into
/// blocks of queries, which changes no value: each row's softmax is its own.
const BLOCK_BYTES: usize = 64 << 20;

/// Splits `[batch, len, heads * d]` into `[batch, heads, len, d]`.
///
/// # Errors
///
/// When `heads` does not divide the last dimension.
pub fn split_heads(xs: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, len, width) = xs.dims3()?;
    if heads == 0 || width % heads != 0 {
        candle_core::bail!("width {width} does not split into {heads} heads")
    }
    xs.reshape((batch, len, heads, width / heads))?.transpose(1, 2)?.contiguous()
}

/// The inverse of [`split_heads`].
///
/// # Errors
///
/// When `xs` is not `[batch, heads, len, d]`.
pub fn merge_heads(xs: &Tensor) -> Result<Tensor> {
    let (batch, heads, len, d) = xs.dims4()?;
    xs.transpose(1, 2)?.reshape((batch, len, heads * d))
}

/// An additive mask `[len, len]`: 0 on and below the diagonal, -inf above.
///
/// # Errors
///
/// When the device is out of memory.
pub fn causal_mask(len: usize, device: &Device) -> Result<Tensor> {
    let values: Vec<f32> =
        (0..len * len).map(|i| if i % len > i / len { f32::NEG_INFINITY } else { 0.0 }).collect();
    Tensor::from_vec(values, (len, len), device)
}

/// Attention of `q: [batch, heads, n, d]` over `k, v: [batch, heads, m, d]`,
/// with an additive `mask: [n, m]`. Returns `[batch, heads, n, d]`.
///
/// # Errors
///
/// When the shapes do not fit.
pub fn scaled_dot_product_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let (batch, heads, n, d) = q.dims4()?;
    let m = k.dim(2)?;
    let q = (q * (1.0 / (d as f64).sqrt()))?;
    let row_bytes = heads * m * DType::F32.size_in_bytes();
    let block = (BLOCK_BYTES / row_bytes.max(1)).clamp(1, n.max(1));
    let mut items = Vec::with_capacity(batch);
    for item in 0..batch {
        let kt = k.get(item)?.transpose(1, 2)?;
        let (q, v) = (q.get(item)?, v.get(item)?);
        let mut rows = Vec::new();
        for start in (0..n).step_by(block) {
            let len = block.min(n - start);
            let mut scores = matmul(&q.narrow(1, start, len)?, &kt)?;
            if let Some(mask) = mask {
                scores = scores.broadcast_add(&mask.narrow(D::Minus2, start, len)?)?;
            }
            rows.push(matmul(&candle_nn::ops::softmax_last_dim(&scores)?, &v)?);
        }
        items.push(if rows.len() == 1 { rows.remove(0) } else { Tensor::cat(&rows, 1)? });
    }
    Tensor::stack(&items, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(shape: (usize, usize, usize, usize), step: f32) -> Tensor {
        let count = shape.0 * shape.1 * shape.2 * shape.3;
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin() * 2.0).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
    }

    fn values(t: &Tensor) -> Vec<f32> {
        t.flatten_all().and_then(|t| t.to_vec1()).expect("f32 values")
    }

    /// The definition in f64.
    fn naive(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Vec<f32> {
        let (b, h, n, d) = q.dims4().expect("rank 4");
        let m = k.dim(2).expect("rank 4");
        let (q, k, v) = (values(q), values(k), values(v));
        let mut out = Vec::new();
        for bh in 0..b * h {
            for i in 0..n {
                let dot = |j: usize| -> f64 {
                    let terms = (0..d).map(|c| (bh * n + i, bh * m + j, c));
                    terms.map(|(i, j, c)| f64::from(q[i * d + c]) * f64::from(k[j * d + c])).sum()
                };
                let visible = |j: &usize| !causal || *j <= i;
                let exps: Vec<f64> = (0..m)
                    .map(|j| if visible(&j) { (dot(j) / (d as f64).sqrt()).exp() } else { 0.0 })
                    .collect();
                let total: f64 = exps.iter().sum();
                for c in 0..d {
                    let sum: f64 =
                        (0..m).map(|j| exps[j] * f64::from(v[(bh * m + j) * d + c])).sum();
                    out.push((sum / total) as f32);
                }
            }
        }
        out
    }

    #[test]
    fn equals_the_definition() {
        let (q, k, v) = (wave((2, 3, 7, 5), 0.7), wave((2, 3, 7, 5), 0.3), wave((2, 3, 7, 5), 0.9));
        for causal in [false, true] {
            let mask = causal.then(|| causal_mask(7, &Device::Cpu).expect("a mask"));
            let out = scaled_dot_product_attention(&q, &k, &v, mask.as_ref()).expect("attention");
            let expected = naive(&q, &k, &v, causal);
            assert!(values(&out).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-6));
        }
    }

    #[test]
    fn cross_attention_takes_other_lengths() {
        let (q, k, v) = (wave((1, 2, 6, 4), 0.7), wave((1, 2, 9, 4), 0.3), wave((1, 2, 9, 4), 0.5));
        let out = scaled_dot_product_attention(&q, &k, &v, None).expect("attention");
        assert_eq!(out.dims(), [1, 2, 6, 4]);
        let expected = naive(&q, &k, &v, false);
        assert!(values(&out).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-6));
    }

    #[test]
    fn heads_split_and_merge() {
        let xs = wave((1, 2, 3, 8), 0.1).reshape((2, 3, 8)).expect("reshape");
        let heads = split_heads(&xs, 4).expect("split");
        assert_eq!(heads.dims(), [2, 4, 3, 2]);
        assert_eq!(values(&merge_heads(&heads).expect("merge")), values(&xs));
        assert!(split_heads(&xs, 3).is_err());
    }
}
