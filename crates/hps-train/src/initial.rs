//! Weights to train from scratch.

use candle_core::{Device, Tensor};
use hps_clip::ClipConfig;
use hps_core::Result;
use hps_nn::model_error;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::model::Parameters;

/// Random tensors of `config`, drawn as open_clip's `CLIP` initialises itself.
///
/// Every tensor has a random stream of its own, keyed by `seed` and its name, so
/// that equal seeds give equal weights on every machine.
///
/// # Errors
///
/// [`hps_core::ErrorKind::Model`] when the weights do not fit the device.
pub fn random_parameters(config: &ClipConfig, seed: u64, device: &Device) -> Result<Parameters> {
    let get = |name: &str, shape: &[usize]| {
        let count = shape.iter().product();
        Tensor::from_vec(draw(config, seed, name, shape, count), shape, device)
    };
    Parameters::new(config, get).map_err(model_error)
}

/// How the values of a tensor are distributed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Distribution {
    Constant(f64),
    /// Normal, of this standard deviation.
    Normal(f64),
    /// Uniform between this and its negative.
    Uniform(f64),
}

fn draw(config: &ClipConfig, seed: u64, name: &str, shape: &[usize], count: usize) -> Vec<f32> {
    let mut random = Random::new(seed, name);
    match distribution(config, name, shape) {
        Distribution::Constant(value) => vec![value as f32; count],
        Distribution::Normal(deviation) => {
            (0..count).map(|_| (deviation * random.normal()) as f32).collect()
        }
        Distribution::Uniform(bound) => {
            (0..count).map(|_| (bound * (2.0 * random.uniform() - 1.0)) as f32).collect()
        }
    }
}

/// open_clip's scheme: `init_parameters` for the text tower; the image tower, which
/// has none, as the layers of PyTorch initialise themselves.
fn distribution(config: &ClipConfig, name: &str, shape: &[usize]) -> Distribution {
    use Distribution::{Constant, Normal, Uniform};
    if name == "logit_scale" {
        // 1 / 0.07, in logarithms.
        return Constant(libm::log(1.0 / 0.07));
    }
    if name.contains("ln_") {
        return Constant(if name.ends_with("weight") { 1.0 } else { 0.0 });
    }
    if name.ends_with("attn.in_proj_bias") || name.ends_with("attn.out_proj.bias") {
        return Constant(0.0);
    }
    let root = |x: usize| (x as f64).sqrt().recip();
    // Within a block, the name after its number.
    let part = name.split_once("resblocks.").and_then(|(_, rest)| rest.split_once('.'));
    let part = part.map_or(name, |(_, part)| part);
    let (vision, text) = (&config.vision, &config.text);
    if let Some(part) = name.strip_prefix("visual.").map(|_| part) {
        return match part {
            "attn.in_proj_weight" => Uniform((6.0 / (4 * vision.width) as f64).sqrt()),
            "attn.out_proj.weight" | "mlp.c_fc.weight" | "mlp.c_fc.bias" => {
                Uniform(root(vision.width))
            }
            "mlp.c_proj.weight" | "mlp.c_proj.bias" => Uniform(root(vision.mlp_width)),
            "visual.conv1.weight" => Uniform(root(shape.iter().skip(1).product())),
            _ => Normal(root(vision.width)),
        };
    }
    match part {
        "token_embedding.weight" => Normal(0.02),
        "positional_embedding" => Normal(0.01),
        "attn.out_proj.weight" | "mlp.c_proj.weight" => {
            Normal(root(text.width) * root(2 * text.layers))
        }
        "mlp.c_fc.weight" => Normal(root(2 * text.width)),
        "mlp.c_fc.bias" => Uniform(root(text.width)),
        "mlp.c_proj.bias" => Uniform(root(text.mlp_width)),
        // in_proj_weight and text_projection.
        _ => Normal(root(text.width)),
    }
}

/// Random numbers of one tensor.
struct Random {
    bits: ChaCha8Rng,
    spare: Option<f64>,
}

impl Random {
    fn new(seed: u64, name: &str) -> Self {
        let mut key = b"hps-loop initial weights 1\0".to_vec();
        key.extend_from_slice(&seed.to_le_bytes());
        key.extend_from_slice(name.as_bytes());
        let bits = ChaCha8Rng::from_seed(*blake3::hash(&key).as_bytes());
        Random { bits, spare: None }
    }

    /// In [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.bits.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller. The functions are those of `libm`, which
    /// are the same everywhere.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        let angle = 2.0 * std::f64::consts::PI * self.uniform();
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hps_clip::{TextConfig, VisionConfig};

    use super::*;

    fn small() -> ClipConfig {
        let base = ClipConfig::vit_h_14();
        let vision = VisionConfig {
            image_size: 32,
            patch_size: 8,
            width: 64,
            layers: 2,
            heads: 4,
            mlp_width: 256,
            ..base.vision
        };
        let text = TextConfig {
            vocab_size: 2000,
            width: 32,
            layers: 3,
            heads: 2,
            mlp_width: 128,
            ..base.text
        };
        ClipConfig { embed_dim: 48, vision, text }
    }

    /// Standard deviations measured on open_clip's `CLIP` of this shape.
    #[test]
    fn deviations_are_those_of_open_clip() {
        let parameters = random_parameters(&small(), 1, &Device::Cpu).unwrap();
        for (name, expected) in [
            ("token_embedding.weight", 0.02),
            ("positional_embedding", 0.01),
            ("text_projection", 0.1768),
            ("transformer.resblocks.1.attn.in_proj_weight", 0.1768),
            ("transformer.resblocks.1.attn.out_proj.weight", 0.0722),
            ("transformer.resblocks.1.mlp.c_fc.weight", 0.125),
            ("transformer.resblocks.1.mlp.c_proj.weight", 0.0722),
            ("visual.proj", 0.125),
            ("visual.positional_embedding", 0.125),
            ("visual.conv1.weight", 0.0417),
            ("visual.transformer.resblocks.0.attn.in_proj_weight", 0.0884),
            ("visual.transformer.resblocks.0.attn.out_proj.weight", 0.0722),
            ("visual.transformer.resblocks.0.mlp.c_fc.weight", 0.0722),
            ("visual.transformer.resblocks.0.mlp.c_proj.weight", 0.0361),
        ] {
            let values: Vec<f32> =
                parameters.get(name).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let squares: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
            let deviation = (squares / values.len() as f64).sqrt();
            assert!((deviation / expected - 1.0).abs() < 0.06, "{name}: {deviation} {expected}");
            let mean: f64 = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
            assert!(mean.abs() < 0.1 * expected, "{name}: mean {mean}");
        }
        let scalar = parameters.get("logit_scale").unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(scalar, 2.659_26);
        let ones = parameters.get("visual.ln_pre.weight").unwrap().to_vec1::<f32>().unwrap();
        assert!(ones.iter().all(|&x| x == 1.0));
        let zeros = parameters.get("transformer.resblocks.0.attn.in_proj_bias").unwrap();
        assert!(zeros.to_vec1::<f32>().unwrap().iter().all(|&x| x == 0.0));
    }

    #[test]
    fn seeds_and_names_differ_and_nothing_else() {
        let values = |seed: u64, name: &str| {
            let parameters = random_parameters(&small(), seed, &Device::Cpu).unwrap();
            let tensor = parameters.get(name).unwrap().flatten_all().unwrap();
            tensor.to_vec1::<f32>().unwrap()
        };
        let name = "transformer.resblocks.0.mlp.c_fc.weight";
        assert_eq!(values(1, name), values(1, name));
        assert_ne!(values(1, name), values(2, name));
        assert_ne!(values(1, name), values(1, "transformer.resblocks.1.mlp.c_fc.weight"));
    }
}
