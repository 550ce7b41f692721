//! The image and the text tower of a CLIP model.

use candle_core::Device;
use hps_clip::{ClipConfig, TextTower, VisionTower};
use hps_core::{Precision, Result};
use hps_nn::{VarBuilder, model_error};

use super::random::{self, RandomWeights};
use super::{Bench, BenchOptions, Case, Report, Work};

/// Which towers are measured.
#[derive(Clone, Debug)]
pub struct ClipBench {
    /// The architecture; the weights are made up.
    pub config: ClipConfig,
    /// Pictures in one forward pass of the image tower.
    pub batch: usize,
    /// Prompts in one forward pass of the text tower; 0 leaves it out.
    pub prompts: usize,
}

impl Default for ClipBench {
    /// ViT-H/14, eight pictures, one prompt.
    fn default() -> Self {
        ClipBench { config: ClipConfig::vit_h_14(), batch: 8, prompts: 1 }
    }
}

/// Measures the towers of `what`; `sink` sees each case when it is done.
///
/// # Errors
///
/// [`hps_core::ErrorKind::Interrupted`] after `cancel` was set.
pub fn clip(
    what: &ClipBench,
    options: &BenchOptions<'_>,
    sink: &mut dyn FnMut(&Case),
) -> Result<Report> {
    let mut bench = Bench::new("clip", options);
    for &precision in options.precisions {
        if what.batch > 0 {
            vision(what, precision, &mut bench, sink)?;
        }
        if what.prompts > 0 {
            text(what, precision, &mut bench, sink)?;
        }
    }
    Ok(bench.finish())
}

fn vision(
    what: &ClipBench,
    precision: Precision,
    bench: &mut Bench<'_>,
    sink: &mut dyn FnMut(&Case),
) -> Result<()> {
    let config = &what.config.vision;
    let vb = VarBuilder::new(RandomWeights, &Device::Cpu, precision);
    let tower = VisionTower::load(config, what.config.embed_dim, vb).map_err(model_error)?;
    let size = config.image_size;
    let pixels = random::tensor((what.batch, 3, size, size)).map_err(model_error)?;
    let patches = (config.tokens() - 1) as f64;
    let patch = 3.0 * (config.patch_size * config.patch_size) as f64;
    let stem = 2.0 * patches * patch * config.width as f64;
    let blocks = blocks(config.layers, config.tokens(), config.width, config.mlp_width);
    let work = Work {
        name: format!("image tower, batch {}", what.batch),
        flops: what.batch as f64 * (stem + blocks),
        items: Some(what.batch),
        run: Box::new(|| tower.encode(&pixels).map(drop).map_err(model_error)),
    };
    bench.measure(precision, work, sink)
}

fn text(
    what: &ClipBench,
    precision: Precision,
    bench: &mut Bench<'_>,
    sink: &mut dyn FnMut(&Case),
) -> Result<()> {
    let config = &what.config.text;
    let vb = VarBuilder::new(RandomWeights, &Device::Cpu, precision);
    let tower = TextTower::load(config, Some(what.config.embed_dim), vb).map_err(model_error)?;
    // A full prompt: shorter ones take less time.
    let len = config.context_length;
    let ids = vec![vec![1; len]; what.prompts];
    let ends = vec![len - 1; what.prompts];
    let work = Work {
        name: format!("text tower, batch {}", what.prompts),
        flops: what.prompts as f64 * blocks(config.layers, len, config.width, config.mlp_width),
        items: Some(what.prompts),
        run: Box::new(|| tower.encode(&ids, &ends).map(drop).map_err(model_error)),
    };
    bench.measure(precision, work, sink)
}

/// Operations of the products in `layers` transformer blocks over `tokens` tokens.
fn blocks(layers: usize, tokens: usize, width: usize, mlp_width: usize) -> f64 {
    let (layers, n, w, h) = (layers as f64, tokens as f64, width as f64, mlp_width as f64);
    layers * (2.0 * n * (4.0 * w * w + 2.0 * w * h) + 4.0 * n * n * w)
}
