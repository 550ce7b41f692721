//! Gradients against candle's automatic differentiation of the formulas.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use candle_core::{D, DType, Device, Tensor, Var};
use hps_clip::{ClipConfig, TextConfig, VisionConfig};
use hps_nn::Activation;

use super::clip::{ClipModel, FeatureGradients, Inputs};
use super::host::tests::PRETEND_DEVICE;
use super::parameters::{Gradients, Parameters};
use super::text::Tokens;

fn config(activation: Activation) -> ClipConfig {
    let vision = VisionConfig {
        image_size: 12,
        patch_size: 4,
        width: 24,
        layers: 2,
        heads: 3,
        mlp_width: 40,
        activation,
        eps: 1e-5,
    };
    let text = TextConfig {
        context_length: 9,
        vocab_size: 30,
        width: 16,
        layers: 3,
        heads: 2,
        mlp_width: 24,
        activation,
        eps: 1e-5,
    };
    ClipConfig { embed_dim: 10, vision, text }
}

/// Values that differ between tensors and have no symmetries.
fn values(name: &str, shape: &[usize]) -> Tensor {
    let start: u32 = name.bytes().fold(7, |hash, byte| hash.wrapping_mul(31) + u32::from(byte));
    let count: usize = shape.iter().product();
    let center = if name.contains("ln_") && name.ends_with("weight") { 1.0 } else { 0.0 };
    let value = |i: usize| center + 0.3 * ((start % 1000) as f32 + i as f32 * 1.37).sin();
    Tensor::from_vec((0..count).map(value).collect::<Vec<f32>>(), shape, &Device::Cpu).unwrap()
}

fn parameters(config: &ClipConfig) -> Parameters {
    Parameters::new(config, |name, shape| Ok(values(name, shape))).unwrap()
}

/// Three pictures and two prompts, one of which has padding after its end.
struct Data {
    pictures: Vec<Vec<f32>>,
    prompts: Vec<(Vec<u32>, usize)>,
}

fn data() -> Data {
    let picture = |k: usize| (0..432).map(|i| ((i * (k + 2)) as f32 * 0.7).sin()).collect();
    let prompts =
        vec![(vec![28, 3, 5, 29, 0, 0, 0, 0, 0], 3), (vec![28, 5, 5, 7, 1, 29, 0, 0, 0], 5)];
    Data { pictures: (0..3).map(picture).collect(), prompts }
}

impl Data {
    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            pictures: self.pictures.iter().map(Vec::as_slice).collect(),
            prompts: self.prompts.iter().map(|(ids, end)| Tokens { ids, end: *end }).collect(),
        }
    }
}

/// The model in f64 and candle's operations, every one of which it can differentiate.
struct Reference {
    vars: HashMap<String, Var>,
    config: ClipConfig,
}

type Result<T> = candle_core::Result<T>;

impl Reference {
    fn new(config: &ClipConfig, parameters: &Parameters) -> Self {
        let var = |(name, value): (&str, &Tensor)| {
            (name.to_owned(), Var::from_tensor(&value.to_dtype(DType::F64).unwrap()).unwrap())
        };
        Reference { vars: parameters.iter().map(var).collect(), config: config.clone() }
    }

    fn var(&self, name: &str) -> &Tensor {
        self.vars[name].as_tensor()
    }

    fn layer_norm(&self, name: &str, xs: &Tensor) -> Result<Tensor> {
        let centred = xs.broadcast_sub(&xs.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centred.broadcast_div(&(variance + 1e-5)?.sqrt()?)?;
        normed
            .broadcast_mul(self.var(&format!("{name}.weight")))?
            .broadcast_add(self.var(&format!("{name}.bias")))
    }

    fn linear(&self, weight: &str, bias: &str, xs: &Tensor) -> Result<Tensor> {
        xs.broadcast_matmul(&self.var(weight).t()?)?.broadcast_add(self.var(bias))
    }

    fn activation(&self, xs: &Tensor) -> Result<Tensor> {
        match self.config.vision.activation {
            Activation::Gelu => {
                (xs * 0.5)?.mul(&((xs * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)?)
            }
            Activation::GeluTanh => {
                let inner = ((xs + (xs.sqr()?.mul(xs)? * 0.044_715)?)?
                    * (2.0 / std::f64::consts::PI).sqrt())?;
                (xs * 0.5)?.mul(&(inner.tanh()? + 1.0)?)
            }
            Activation::QuickGelu => xs.div(&((xs * -1.702)?.exp()? + 1.0)?),
            Activation::Silu => xs.div(&(xs.neg()?.exp()? + 1.0)?),
        }
    }

    fn attention(&self, name: &str, xs: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
        let (items, len, width) = xs.dims3()?;
        let weight = format!("{name}.attn.in_proj_weight");
        let qkv = self.linear(&weight, &format!("{name}.attn.in_proj_bias"), xs)?;
        let part = |i: usize| {
            let part = qkv.narrow(2, i * width, width)?;
            part.reshape((items, len, heads, width / heads))?.transpose(1, 2)?.contiguous()
        };
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let mut logits = (q.matmul(&k.t()?.contiguous()?)? / ((width / heads) as f64).sqrt())?;
        if causal {
            let mask = |i: usize| if i % len > i / len { -1e30 } else { 0.0 };
            let mask: Vec<f64> = (0..len * len).map(mask).collect();
            logits = logits.broadcast_add(&Tensor::from_vec(mask, (len, len), &Device::Cpu)?)?;
        }
        let exps = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?.exp()?;
        let weights = exps.broadcast_div(&exps.sum_keepdim(D::Minus1)?)?;
        let merged = weights.matmul(&v)?.transpose(1, 2)?.reshape((items, len, width))?;
        let out = format!("{name}.attn.out_proj");
        self.linear(&format!("{out}.weight"), &format!("{out}.bias"), &merged)
    }

    fn block(&self, name: &str, xs: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
        let normed = self.layer_norm(&format!("{name}.ln_1"), xs)?;
        let xs = (xs + self.attention(name, &normed, heads, causal)?)?;
        let normed = self.layer_norm(&format!("{name}.ln_2"), &xs)?;
        let mlp = |part: &str, xs: &Tensor| {
            let name = format!("{name}.mlp.{part}");
            self.linear(&format!("{name}.weight"), &format!("{name}.bias"), xs)
        };
        &xs + mlp("c_proj", &self.activation(&mlp("c_fc", &normed)?)?)?
    }

    fn images(&self, pictures: &[Vec<f32>]) -> Result<Tensor> {
        let v = &self.config.vision;
        let pixels = Tensor::from_vec(
            pictures.concat(),
            (pictures.len(), 3, v.image_size, v.image_size),
            &Device::Cpu,
        )?
        .to_dtype(DType::F64)?;
        let patches = pixels.conv2d(self.var("visual.conv1.weight"), 0, v.patch_size, 1, 1)?;
        let patches = patches.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        let class = self.var("visual.class_embedding").reshape((1, 1, v.width))?;
        let class = class.broadcast_as((pictures.len(), 1, v.width))?.contiguous()?;
        let xs = Tensor::cat(&[class, patches], 1)?;
        let xs = xs.broadcast_add(self.var("visual.positional_embedding"))?;
        let mut xs = self.layer_norm("visual.ln_pre", &xs)?;
        for layer in 0..v.layers {
            let name = format!("visual.transformer.resblocks.{layer}");
            xs = self.block(&name, &xs, v.heads, false)?;
        }
        let class = xs.narrow(1, 0, 1)?.squeeze(1)?;
        self.layer_norm("visual.ln_post", &class)?.matmul(self.var("visual.proj"))
    }

    fn texts(&self, prompts: &[(Vec<u32>, usize)]) -> Result<Tensor> {
        let t = &self.config.text;
        let rows = prompts.iter().map(|(ids, end)| {
            let ids = Tensor::new(ids.as_slice(), &Device::Cpu)?;
            let xs = self.var("token_embedding.weight").index_select(&ids, 0)?;
            let mut xs = (xs + self.var("positional_embedding"))?.unsqueeze(0)?;
            for layer in 0..t.layers {
                xs = self.block(&format!("transformer.resblocks.{layer}"), &xs, t.heads, true)?;
            }
            self.layer_norm("ln_final", &xs.narrow(1, *end, 1)?.squeeze(1)?)
        });
        let rows: Vec<Tensor> = rows.collect::<Result<_>>()?;
        Tensor::cat(&rows, 0)?.matmul(self.var("text_projection"))
    }
}

fn weights(rows: usize, columns: usize, step: f32) -> Vec<Vec<f32>> {
    let row = |i: usize| (0..columns).map(|j| ((i * columns + j) as f32 * step).cos()).collect();
    (0..rows).map(row).collect()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference over the largest magnitude.
fn distance(ours: &Tensor, theirs: &Tensor) -> f32 {
    assert_eq!(ours.dims(), theirs.dims());
    let (ours, theirs) = (flat(ours), flat(&theirs.to_dtype(DType::F32).unwrap()));
    let largest = theirs.iter().fold(1e-6f32, |a, b| a.max(b.abs()));
    ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max) / largest
}

fn check(activation: Activation, checkpointing: bool) {
    let (config, data) = (config(activation), data());
    let parameters = parameters(&config);
    let reference = Reference::new(&config, &parameters);
    let (images, texts) =
        (reference.images(&data.pictures).unwrap(), reference.texts(&data.prompts).unwrap());
    let d = FeatureGradients {
        images: weights(3, config.embed_dim, 0.71),
        texts: weights(2, config.embed_dim, 0.37),
        logit_scale: 0.25,
    };
    let weighted = |features: &Tensor, d: &[Vec<f32>]| {
        features.mul(&Tensor::new(d.to_vec(), &Device::Cpu)?.to_dtype(DType::F64)?)?.sum_all()
    };
    let loss =
        (weighted(&images, &d.images).unwrap() + weighted(&texts, &d.texts).unwrap()).unwrap();
    let exact = loss.backward().unwrap();

    let model = ClipModel::new(&config, &parameters).unwrap();
    let mut gradients = Gradients::new(&parameters);
    let (features, tape) = model.forward(&parameters, &data.inputs(), checkpointing).unwrap();
    for (ours, theirs) in [(&features.images, &images), (&features.texts, &texts)] {
        let ours = Tensor::new(ours.clone(), &Device::Cpu).unwrap();
        assert!(distance(&ours, theirs) < 2e-5, "features of {activation:?}");
    }
    model.backward(&parameters, &mut gradients, tape, &d).unwrap();
    for (name, var) in &reference.vars {
        let ours = gradients.get(&parameters, name).unwrap_or_else(|| panic!("no {name}"));
        assert!(flat(ours).iter().any(|value| *value != 0.0), "{name} gets no gradient");
        if name == "logit_scale" {
            assert_eq!(flat(ours), [0.25]);
            continue;
        }
        let distance = distance(ours, exact.get(var.as_tensor()).unwrap());
        assert!(distance < 1e-4, "the gradient of {name} differs by {distance:e}");
    }
}

const ACTIVATIONS: [Activation; 4] =
    [Activation::Gelu, Activation::GeluTanh, Activation::QuickGelu, Activation::Silu];

#[test]
fn every_gradient_on_the_host_is_that_of_automatic_differentiation() {
    for activation in ACTIVATIONS {
        check(activation, false);
    }
    check(Activation::Gelu, true);
}

#[test]
fn every_gradient_on_a_device_is_that_of_automatic_differentiation() {
    PRETEND_DEVICE.set(true);
    for activation in ACTIVATIONS {
        check(activation, false);
    }
    check(Activation::Gelu, true);
    PRETEND_DEVICE.set(false);
}

/// All gradients of a model with some tensors locked.
fn gradients_with(trains: impl Fn(&str) -> bool, parts: usize) -> HashMap<String, Vec<f32>> {
    let (config, data) = (config(Activation::Gelu), data());
    let mut parameters = parameters(&config);
    parameters.restrict(trains);
    let model = ClipModel::new(&config, &parameters).unwrap();
    let mut gradients = Gradients::new(&parameters);
    let (images, texts) = (weights(3, 10, 0.71), weights(2, 10, 0.37));
    for part in 0..parts {
        // The last part has all that is left; a part may be empty of prompts.
        let of = |count: usize| part * count / parts..(part + 1) * count / parts;
        let inputs = data.inputs();
        let inputs = Inputs {
            pictures: inputs.pictures[of(3)].to_vec(),
            prompts: inputs.prompts[of(2)].to_vec(),
        };
        let d = FeatureGradients {
            images: images[of(3)].to_vec(),
            texts: texts[of(2)].to_vec(),
            logit_scale: 1.0,
        };
        let (_, tape) = model.forward(&parameters, &inputs, false).unwrap();
        model.backward(&parameters, &mut gradients, tape, &d).unwrap();
    }
    gradients.iter(&parameters).map(|(name, _, sum)| (name.to_owned(), flat(sum))).collect()
}

#[test]
fn locked_tensors_change_no_other_gradient() {
    let all = gradients_with(|_| true, 1);
    for trains in [
        |name: &str| name.contains("resblocks.1"),
        |name: &str| name.contains("proj"),
        |name: &str| name.ends_with("bias"),
        |name: &str| name == "logit_scale",
        |name: &str| name.starts_with("visual") || name == "token_embedding.weight",
    ] {
        let some = gradients_with(trains, 1);
        assert_eq!(some.len(), all.keys().filter(|name| trains(name)).count());
        for (name, sum) in &some {
            assert_eq!(sum, &all[name], "{name}");
        }
    }
}

#[test]
fn gradients_of_parts_add_up() {
    let (whole, parts) = (gradients_with(|_| true, 1), gradients_with(|_| true, 2));
    for (name, sum) in &whole {
        let largest = sum.iter().fold(1e-6f32, |a, b| a.max(b.abs()));
        if name != "logit_scale" {
            let differences = sum.iter().zip(&parts[name]).map(|(a, b)| (a - b).abs());
            assert!(differences.fold(0f32, f32::max) / largest < 1e-4, "{name}");
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| gradients_with(|_| true, 1))
    };
    let alone = with(1);
    assert_eq!(alone, with(2));
    assert_eq!(alone, with(5));
}
