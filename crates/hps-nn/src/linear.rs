//! Fully connected layer, `y = x @ weight.T + bias`, as `torch.nn.Linear`.

use candle_core::{Result, Tensor};

use crate::VarBuilder;
use crate::matmul::matmul;

/// `torch.nn.Linear`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// A layer of `weight: [out, in]` and `bias: [out]`.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Linear { weight, bias }
    }

    /// Loads `weight: [out_dim, in_dim]` and `bias: [out_dim]`.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape.
    pub fn load(in_dim: usize, out_dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let bias = vb.get(out_dim, "bias")?;
        Ok(Linear { weight: vb.get((out_dim, in_dim), "weight")?, bias: Some(bias) })
    }

    /// Loads `weight: [out_dim, in_dim]` alone.
    ///
    /// # Errors
    ///
    /// When the tensor is missing or has another shape.
    pub fn load_without_bias(in_dim: usize, out_dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        Ok(Linear { weight: vb.get((out_dim, in_dim), "weight")?, bias: None })
    }

    /// Maps `xs: [batch, in]` or `[batch, rows, in]` to the same with `out`.
    ///
    /// # Errors
    ///
    /// When the last dimension is not `in`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let weight = self.weight.t()?;
        let ys = if xs.device().is_cpu() {
            each_item(xs, |item| matmul(item, &weight))?
        } else if xs.rank() == 2 {
            matmul(xs, &weight)?
        } else {
            let (batch, rows, dim) = xs.dims3()?;
            matmul(&xs.reshape((batch * rows, dim))?, &weight)?.reshape((batch, rows, ()))?
        };
        match &self.bias {
            Some(bias) => ys.broadcast_add(bias),
            None => Ok(ys),
        }
    }
}

/// Applies `f` to each batch item as a matrix, so that the batch size never
/// chooses the kernel: `[batch, in]` becomes one-row matrices.
fn each_item(xs: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let matrix = |index: usize| {
        let item = xs.get(index)?;
        if item.rank() == 1 { item.unsqueeze(0) } else { Ok(item) }
    };
    let items: Vec<Tensor> =
        (0..xs.dim(0)?).map(|index| f(&matrix(index)?.contiguous()?)).collect::<Result<_>>()?;
    if xs.rank() == 2 { Tensor::cat(&items, 0) } else { Tensor::stack(&items, 0) }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, IndexOp};

    use super::*;

    fn wave(shape: &[usize], step: f32) -> Tensor {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
    }

    #[test]
    fn rows_do_not_depend_on_the_batch() {
        let layer = Linear::new(wave(&[48, 65], 0.37), Some(wave(&[48], 0.11)));
        for shape in [&[5, 65][..], &[5, 7, 65]] {
            let xs = wave(shape, 0.73);
            let all = layer.forward(&xs).expect("forward");
            for index in 0..5 {
                let alone = layer.forward(&xs.i(index..index + 1).expect("item")).expect("forward");
                let same = all.i(index..index + 1).expect("item");
                let bits = |t: &Tensor| t.flatten_all().and_then(|t| t.to_vec1::<f32>());
                assert_eq!(bits(&alone).expect("values"), bits(&same).expect("values"));
            }
        }
    }

    #[test]
    fn values_are_right() {
        let device = Device::Cpu;
        let weight = Tensor::new(&[[1f32, 2.0], [3.0, 4.0], [5.0, 6.0]], &device).expect("tensor");
        let bias = Tensor::new(&[0.5f32, 0.0, -0.5], &device).expect("tensor");
        let xs = Tensor::new(&[[1f32, -1.0]], &device).expect("tensor");
        let ys = Linear::new(weight, Some(bias)).forward(&xs).expect("forward");
        assert_eq!(ys.to_vec2::<f32>().expect("values"), [[-0.5, -1.0, -1.5]]);
    }
}
