//! Two-dimensional convolution, as `torch.nn.Conv2d` with `groups = 1`.
//!
//! On the host the weight is packed for the kernel when the layer is made, and bias,
//! activation and residual are added while a block of the product is in cache.
//! Elsewhere candle's operations are used.

mod host;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use candle_core::{DType, Result, Tensor, bail};
use hps_core::Precision;

use crate::kernel::{Geometry, Kernel, PackedFilters, kernel, pack_filters};
use crate::{Activation, VarBuilder};

/// Kernel side, stride and padding of a [`Conv2d`], equal in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dConfig {
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: usize,
}

impl Conv2dConfig {
    /// A 3×3 kernel that keeps the size.
    pub const SAME_3X3: Conv2dConfig = Conv2dConfig { kernel: 3, stride: 1, padding: 1 };
    /// A 1×1 kernel: a linear map of each pixel.
    pub const POINTWISE: Conv2dConfig = Conv2dConfig { kernel: 1, stride: 1, padding: 0 };
}

/// `torch.nn.Conv2d`.
#[derive(Clone)]
pub struct Conv2d {
    parameters: Parameters,
    inputs: usize,
    outputs: usize,
    config: Conv2dConfig,
    /// Zeros to the right and at the bottom besides `config.padding`.
    extra_padding: usize,
}

#[derive(Clone)]
enum Parameters {
    Host {
        filters: Arc<dyn PackedFilters>,
        bias: Option<Arc<[f32]>>,
    },
    /// `bias: [1, outputs, 1, 1]`.
    Device {
        weight: Tensor,
        bias: Option<Tensor>,
    },
}

impl Conv2d {
    /// A layer of `weight: [out, in, kernel, kernel]` and `bias: [out]`.
    ///
    /// # Errors
    ///
    /// When the shapes do not fit, or a size or the stride is 0.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        config: Conv2dConfig,
        precision: Precision,
    ) -> Result<Self> {
        Self::with_kernel(kernel(), weight, bias, config, precision)
    }

    fn with_kernel(
        kernel: Kernel,
        weight: &Tensor,
        bias: Option<&Tensor>,
        config: Conv2dConfig,
        precision: Precision,
    ) -> Result<Self> {
        let (outputs, inputs, height, width) = weight.dims4()?;
        if (height, width) != (config.kernel, config.kernel)
            || weight.elem_count() == 0
            || config.stride == 0
        {
            bail!("a convolution of {config:?} with a weight of {:?}", weight.shape())
        }
        if let Some(bias) = bias
            && bias.dims() != [outputs]
        {
            bail!("a bias of {:?} for {outputs} outputs", bias.shape())
        }
        let bias = bias.map(|bias| bias.to_dtype(DType::F32)).transpose()?;
        let parameters = if weight.device().is_cpu() {
            Parameters::Host {
                filters: pack_filters(kernel, precision, weight)?.into(),
                bias: bias.map(|bias| bias.to_vec1::<f32>()).transpose()?.map(Into::into),
            }
        } else {
            let bias = bias.map(|bias| bias.reshape((1, outputs, 1, 1))).transpose()?;
            Parameters::Device { weight: weight.to_dtype(DType::F32)?, bias }
        };
        Ok(Conv2d { parameters, inputs, outputs, config, extra_padding: 0 })
    }

    /// Loads `weight: [out, in, kernel, kernel]` and `bias: [out]`.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape.
    pub fn load(
        in_channels: usize,
        out_channels: usize,
        config: Conv2dConfig,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let shape = (out_channels, in_channels, config.kernel, config.kernel);
        let (bias, weight) = (vb.get(out_channels, "bias")?, vb.get_stored(shape, "weight")?);
        Self::new(&weight, Some(&bias), config, vb.precision())
    }

    /// Loads `weight: [out, in, kernel, kernel]` alone.
    ///
    /// # Errors
    ///
    /// When the tensor is missing or has another shape.
    pub fn load_without_bias(
        in_channels: usize,
        out_channels: usize,
        config: Conv2dConfig,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let shape = (out_channels, in_channels, config.kernel, config.kernel);
        Self::new(&vb.get_stored(shape, "weight")?, None, config, vb.precision())
    }

    /// The layer with `more` columns of zeros to the right and rows of zeros at the
    /// bottom, besides its padding on all sides.
    #[must_use]
    pub fn with_padding_after(self, more: usize) -> Self {
        Conv2d { extra_padding: more, ..self }
    }

    /// Convolves `xs: [batch, in, h, w]` to `[batch, out, h', w']` with
    /// `h' = (h + 2 padding - kernel) / stride + 1`, rounded down.
    ///
    /// # Errors
    ///
    /// When the channels do not fit or the picture is smaller than the kernel.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        self.forward_then(xs, None, None)
    }

    /// `activation(forward(xs)) + residual`, with `residual` in the shape of the output.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward), and when the residual has another shape.
    pub fn forward_then(
        &self,
        xs: &Tensor,
        activation: Option<Activation>,
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        let geometry = self.geometry(xs)?;
        match &self.parameters {
            Parameters::Host { filters, bias } => {
                let op = host::Convolve {
                    filters: filters.as_ref(),
                    bias: bias.as_deref(),
                    outputs: self.outputs,
                    geometry,
                    activation,
                };
                op.apply(xs, residual)
            }
            Parameters::Device { weight, bias } => {
                self.forward_on_device(xs, (weight, bias.as_ref()), activation, residual)
            }
        }
    }

    /// The sizes for pictures like `xs: [batch, in, h, w]`.
    fn geometry(&self, xs: &Tensor) -> Result<Geometry> {
        let (_, channels, height, width) = xs.dims4()?;
        if channels != self.inputs {
            bail!("a convolution of {} channels got {:?}", self.inputs, xs.shape())
        }
        let Conv2dConfig { kernel, stride, padding } = self.config;
        let outputs = |len: usize| {
            let room = (len + 2 * padding + self.extra_padding).checked_sub(kernel);
            room.map(|room| room / stride + 1)
        };
        let (Some(out_height), Some(out_width)) = (outputs(height), outputs(width)) else {
            bail!("pictures of {width}x{height} are smaller than a kernel of {kernel}")
        };
        Ok(Geometry {
            channels,
            height,
            width,
            kernel,
            stride,
            before: padding,
            out_height,
            out_width,
        })
    }

    fn forward_on_device(
        &self,
        xs: &Tensor,
        (weight, bias): (&Tensor, Option<&Tensor>),
        activation: Option<Activation>,
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        let Conv2dConfig { stride, padding, .. } = self.config;
        let more = self.extra_padding;
        let padded = match more {
            0 => xs.clone(),
            _ => {
                // The operation pads all sides alike; the rest is added here.
                xs.pad_with_zeros(2, padding, padding + more)?.pad_with_zeros(
                    3,
                    padding,
                    padding + more,
                )?
            }
        };
        let padding = if more == 0 { padding } else { 0 };
        let mut ys = padded.contiguous()?.conv2d(weight, padding, stride, 1, 1)?;
        if let Some(bias) = bias {
            ys = ys.broadcast_add(bias)?;
        }
        if let Some(activation) = activation {
            ys = activation.forward(&ys)?;
        }
        match residual {
            Some(residual) => ys + residual,
            None => Ok(ys),
        }
    }
}

impl fmt::Debug for Conv2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conv2d { inputs, outputs, config, extra_padding, .. } = self;
        write!(f, "Conv2d {{ in: {inputs}, out: {outputs}, {config:?}, +{extra_padding} }}")
    }
}
