//! Fully connected layer, `y = x @ weight.T + bias`, as `torch.nn.Linear`.
//!
//! On the host the weight is packed for the kernel when the layer is made, and what
//! follows the product (bias, activation, residual) happens while a block of it is in
//! cache. Elsewhere candle's operations are used.

use std::fmt;
use std::sync::Arc;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, DType, Layout, Result, Shape, Tensor, WithDType, bail,
};
use half::bf16;
use hps_core::Precision;

use crate::kernel::{
    Out, PackedWeights, Rows, Tail, Values, kernel, pack_gated_weights, pack_weights, zeros,
};
use crate::{Activation, VarBuilder};

/// `torch.nn.Linear`.
#[derive(Clone)]
pub struct Linear {
    weight: Weight,
    bias: Option<Bias>,
    in_dim: usize,
    out_dim: usize,
    gated: bool,
}

#[derive(Clone)]
enum Weight {
    Host(Arc<dyn PackedWeights>),
    /// `[in, out]`, a transposed view.
    Device(Tensor),
}

#[derive(Clone)]
enum Bias {
    Host(Arc<[f32]>),
    Device(Tensor),
}

impl Linear {
    /// A layer of `weight: [out, in]` and `bias: [out]`.
    ///
    /// # Errors
    ///
    /// When the shapes do not fit.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, precision: Precision) -> Result<Self> {
        Self::with_gates(weight, bias, precision, false)
    }

    /// A layer whose output is `values * activation(gates)`, `[values, gates] = xs @
    /// weight.T + bias`, with `weight: [2 out, in]`. The activation is that of
    /// [`forward_then`](Self::forward_then).
    pub(crate) fn gated(
        weight: &Tensor,
        bias: Option<&Tensor>,
        precision: Precision,
    ) -> Result<Self> {
        Self::with_gates(weight, bias, precision, true)
    }

    fn with_gates(
        weight: &Tensor,
        bias: Option<&Tensor>,
        precision: Precision,
        gated: bool,
    ) -> Result<Self> {
        let (rows, in_dim) = weight.dims2()?;
        if let Some(bias) = bias
            && bias.dims() != [rows]
        {
            bail!("a bias of {:?} for {rows} outputs", bias.shape())
        }
        let host = weight.device().is_cpu();
        let pack = if gated { pack_gated_weights } else { pack_weights };
        let weight = if host {
            Weight::Host(pack(kernel(), precision, weight)?.into())
        } else {
            Weight::Device(weight.to_dtype(DType::F32)?.t()?)
        };
        let bias = match bias {
            None => None,
            Some(bias) if host => {
                Some(Bias::Host(bias.to_dtype(DType::F32)?.to_vec1::<f32>()?.into()))
            }
            Some(bias) => Some(Bias::Device(bias.to_dtype(DType::F32)?)),
        };
        let out_dim = if gated { rows / 2 } else { rows };
        Ok(Linear { weight, bias, in_dim, out_dim, gated })
    }

    /// Loads `weight: [out_dim, in_dim]` and `bias: [out_dim]`.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape.
    pub fn load(in_dim: usize, out_dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let bias = vb.get(out_dim, "bias")?;
        Linear::new(&vb.get_stored((out_dim, in_dim), "weight")?, Some(&bias), vb.precision())
    }

    /// Loads `weight: [out_dim, in_dim]` alone.
    ///
    /// # Errors
    ///
    /// When the tensor is missing or has another shape.
    pub fn load_without_bias(in_dim: usize, out_dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        Linear::new(&vb.get_stored((out_dim, in_dim), "weight")?, None, vb.precision())
    }

    /// Maps `xs: [..., in]` to `[..., out]`.
    ///
    /// # Errors
    ///
    /// When the last dimension is not `in`.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        self.forward_then(xs, None, None)
    }

    /// `activation(forward(xs)) + residual`, with `residual` in the shape of the output.
    ///
    /// # Errors
    ///
    /// When a shape does not fit.
    pub fn forward_then(
        &self,
        xs: &Tensor,
        activation: Option<Activation>,
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        self.run(xs, activation, residual, DType::F32)
    }

    /// `activation(forward(xs))` for `next` alone to read: in bf16 where `next` would round
    /// it to bf16 anyway, which saves half of the memory on the way and changes no bit.
    ///
    /// # Errors
    ///
    /// When the last dimension is not `in`.
    pub fn forward_for(
        &self,
        next: &Linear,
        xs: &Tensor,
        activation: Option<Activation>,
    ) -> Result<Tensor> {
        let output = match &next.weight {
            Weight::Host(weight) if weight.rounds_rows() => DType::BF16,
            _ => DType::F32,
        };
        self.run(xs, activation, None, output)
    }

    fn run(
        &self,
        xs: &Tensor,
        activation: Option<Activation>,
        residual: Option<&Tensor>,
        output: DType,
    ) -> Result<Tensor> {
        if xs.dims().last() != Some(&self.in_dim) {
            bail!("a linear layer of {} got {:?}", self.in_dim, xs.shape())
        }
        match &self.weight {
            Weight::Host(_) => {
                let op = Forward { layer: self, activation, output };
                let xs = xs.contiguous()?;
                match residual {
                    None => xs.apply_op1_no_bwd(&op),
                    Some(residual) => xs.apply_op2_no_bwd(&residual.contiguous()?, &op),
                }
            }
            Weight::Device(weight) => self.forward_on_device(xs, weight, activation, residual),
        }
    }

    fn forward_on_device(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        activation: Option<Activation>,
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        let mut ys = xs.reshape(((), self.in_dim))?.matmul(weight)?;
        if let Some(Bias::Device(bias)) = &self.bias {
            ys = ys.broadcast_add(bias)?;
        }
        let values = if self.gated { Some(ys.narrow(1, 0, self.out_dim)?) } else { None };
        if self.gated {
            ys = ys.narrow(1, self.out_dim, self.out_dim)?.contiguous()?;
        }
        if let Some(activation) = activation {
            ys = activation.forward(&ys)?;
        }
        if let Some(values) = values {
            ys = (values * ys)?;
        }
        let ys = ys.reshape(self.out_shape(xs.dims()))?;
        match residual {
            Some(residual) => ys + residual,
            None => Ok(ys),
        }
    }

    fn out_shape(&self, dims: &[usize]) -> Shape {
        let mut dims = dims.to_vec();
        if let Some(last) = dims.last_mut() {
            *last = self.out_dim;
        }
        dims.into()
    }
}

impl fmt::Debug for Linear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bias = self.bias.is_some();
        write!(f, "Linear {{ in: {}, out: {}, bias: {bias} }}", self.in_dim, self.out_dim)
    }
}

/// The host's product with its tail.
struct Forward<'a> {
    layer: &'a Linear,
    activation: Option<Activation>,
    /// `F32` or `BF16`.
    output: DType,
}

impl Forward<'_> {
    fn run(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
        residual: Option<&[f32]>,
    ) -> Result<(CpuStorage, Shape)> {
        let Linear { weight: Weight::Host(weight), bias, in_dim, out_dim, .. } = self.layer else {
            bail!("a layer on another device")
        };
        let values = match storage {
            CpuStorage::BF16(values) => Values::Bf16(contiguous(values, layout)?),
            _ => Values::F32(contiguous(storage.as_slice::<f32>()?, layout)?),
        };
        let count = layout.shape().elem_count() / (*in_dim).max(1);
        let rows = Rows::new(values, count, *in_dim, *in_dim)?;
        let tail = Tail {
            bias: match bias {
                Some(Bias::Host(bias)) => Some(bias),
                _ => None,
            },
            activation: self.activation,
            residual,
            gated: self.layer.gated,
        };
        let shape = self.layer.out_shape(layout.dims());
        if self.output == DType::BF16 {
            let mut out = vec![bf16::ZERO; count * out_dim];
            weight.forward(rows, &tail, Out::Bf16(&mut out))?;
            return Ok((CpuStorage::BF16(out), shape));
        }
        let mut out = zeros(count * out_dim);
        weight.forward(rows, &tail, Out::F32(&mut out))?;
        Ok((CpuStorage::F32(out), shape))
    }
}

/// The values of a contiguous tensor.
fn contiguous<'a, T: WithDType>(values: &'a [T], layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("a linear layer needs contiguous tensors"),
    }
}

impl CustomOp1 for Forward<'_> {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(storage, layout, None)
    }
}

impl CustomOp2 for Forward<'_> {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        if residual_layout.shape() != &self.layer.out_shape(layout.dims()) {
            bail!("a residual of {:?}", residual_layout.shape())
        }
        let residual = contiguous(residual.as_slice::<f32>()?, residual_layout)?;
        self.run(storage, layout, Some(residual))
    }
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

    fn bits(tensor: &Tensor) -> Vec<u32> {
        let values = tensor.flatten_all().and_then(|tensor| tensor.to_vec1::<f32>());
        values.expect("values").into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn rows_do_not_depend_on_the_batch() {
        for precision in Precision::ALL {
            let (weight, bias) = (wave(&[48, 65], 0.37), wave(&[48], 0.11));
            let layer = Linear::new(&weight, Some(&bias), precision).expect("a layer");
            for shape in [&[5, 65][..], &[5, 7, 65]] {
                let xs = wave(shape, 0.73);
                let all = layer.forward(&xs).expect("forward");
                for index in 0..5 {
                    let item = xs.i(index..index + 1).expect("an item");
                    let alone = layer.forward(&item).expect("forward");
                    assert_eq!(bits(&alone), bits(&all.i(index..index + 1).expect("an item")));
                }
            }
        }
    }

    #[test]
    fn values_are_right() {
        let device = Device::Cpu;
        let weight = Tensor::new(&[[1f32, 2.0], [3.0, 4.0], [5.0, 6.0]], &device).expect("tensor");
        let bias = Tensor::new(&[0.5f32, 0.0, -0.5], &device).expect("tensor");
        let xs = Tensor::new(&[[1f32, -1.0]], &device).expect("tensor");
        let layer = Linear::new(&weight, Some(&bias), Precision::F32).expect("a layer");
        let ys = layer.forward(&xs).expect("forward");
        assert_eq!(ys.to_vec2::<f32>().expect("values"), [[-0.5, -1.0, -1.5]]);
        let residual = Tensor::new(&[[1f32, 2.0, 3.0]], &device).expect("tensor");
        let ys = layer.forward_then(&xs, None, Some(&residual)).expect("forward");
        assert_eq!(ys.to_vec2::<f32>().expect("values"), [[0.5, 1.0, 1.5]]);
        assert!(layer.forward_then(&xs, None, Some(&xs)).is_err());
        assert!(layer.forward(&residual).is_err());
    }

    #[test]
    fn what_only_the_next_layer_reads_may_be_shorter() {
        let (first, second) = (wave(&[70, 33], 0.37), wave(&[20, 70], 0.51));
        let xs = wave(&[3, 5, 33], 0.73);
        for precision in Precision::ALL {
            let first = Linear::new(&first, None, precision).expect("a layer");
            let second = Linear::new(&second, None, precision).expect("a layer");
            let activation = Some(Activation::Gelu);
            let long = first.forward_then(&xs, activation, None).expect("forward");
            let short = first.forward_for(&second, &xs, activation).expect("forward");
            assert_eq!((long.dtype(), short.dims()), (DType::F32, long.dims()));
            let of = |hidden| bits(&second.forward(hidden).expect("forward"));
            assert_eq!(of(&long), of(&short));
        }
    }
}
