//! The tensors of a CLIP model by open_clip's names.

use hps_core::{Error, ErrorKind, Result};
use hps_nn::Activation;
use hps_weights::TensorSpec;

use crate::config::DEFAULT_EPS;
use crate::{ClipConfig, TextConfig, VisionConfig};

/// Names and shapes of every tensor of `config`, `logit_scale` included.
///
/// For ViT-H/14 these are 686 tensors with 986,109,441 values.
pub fn clip_tensors(config: &ClipConfig) -> Vec<TensorSpec> {
    let mut list = vec![TensorSpec::new("logit_scale", [])];
    list.extend(text_tensors(&config.text, Some(config.embed_dim)));
    list.extend(vision_tensors(&config.vision, config.embed_dim));
    list
}

/// Names and shapes of a text tower's tensors; `text_projection` where
/// `embed_dim` is given.
pub fn text_tensors(config: &TextConfig, embed_dim: Option<usize>) -> Vec<TensorSpec> {
    let width = config.width;
    let mut list = vec![
        TensorSpec::new("token_embedding.weight", [config.vocab_size, width]),
        TensorSpec::new("positional_embedding", [config.context_length, width]),
    ];
    for layer in 0..config.layers {
        block(&mut list, &format!("transformer.resblocks.{layer}"), width, config.mlp_width);
    }
    norm(&mut list, "ln_final", width);
    list.extend(embed_dim.map(|dim| TensorSpec::new("text_projection", [width, dim])));
    list
}

fn vision_tensors(config: &VisionConfig, embed_dim: usize) -> Vec<TensorSpec> {
    let (width, patch) = (config.width, config.patch_size);
    let mut list = vec![
        TensorSpec::new("visual.class_embedding", [width]),
        TensorSpec::new("visual.positional_embedding", [config.tokens(), width]),
        TensorSpec::new("visual.conv1.weight", [width, 3, patch, patch]),
        TensorSpec::new("visual.proj", [width, embed_dim]),
    ];
    norm(&mut list, "visual.ln_pre", width);
    norm(&mut list, "visual.ln_post", width);
    for layer in 0..config.layers {
        let name = format!("visual.transformer.resblocks.{layer}");
        block(&mut list, &name, width, config.mlp_width);
    }
    list
}

fn norm(list: &mut Vec<TensorSpec>, name: &str, width: usize) {
    list.push(TensorSpec::new(format!("{name}.weight"), [width]));
    list.push(TensorSpec::new(format!("{name}.bias"), [width]));
}

fn block(list: &mut Vec<TensorSpec>, name: &str, width: usize, mlp: usize) {
    norm(list, &format!("{name}.ln_1"), width);
    norm(list, &format!("{name}.ln_2"), width);
    list.push(TensorSpec::new(format!("{name}.attn.in_proj_weight"), [3 * width, width]));
    list.push(TensorSpec::new(format!("{name}.attn.in_proj_bias"), [3 * width]));
    for (part, rows, cols) in
        [("attn.out_proj", width, width), ("mlp.c_fc", mlp, width), ("mlp.c_proj", width, mlp)]
    {
        list.push(TensorSpec::new(format!("{name}.{part}.weight"), [rows, cols]));
        list.push(TensorSpec::new(format!("{name}.{part}.bias"), [rows]));
    }
}

/// Reads every dimension from the shapes of the tensors.
///
/// Shapes do not tell the number of heads: it comes from the table of published
/// widths ([`published_heads`]). `activation` does not show either.
///
/// # Errors
///
/// [`ErrorKind::InvalidWeights`] when a tensor that tells a dimension is missing
/// or has the wrong rank; [`ErrorKind::InvalidConfig`] when the width is in no
/// published model.
pub fn infer_config(
    shape: impl Fn(&str) -> Option<Vec<usize>>,
    activation: Activation,
) -> Result<ClipConfig> {
    let dims = Shapes { shape };
    let [width, channels, patch_size, _] = dims.get("visual.conv1.weight")?;
    let [tokens, _] = dims.get("visual.positional_embedding")?;
    let [_, embed_dim] = dims.get("visual.proj")?;
    let [mlp_width, _] = dims.get("visual.transformer.resblocks.0.mlp.c_fc.weight")?;
    let grid = (tokens.saturating_sub(1) as f64).sqrt().round() as usize;
    if channels != 3 || grid * grid + 1 != tokens {
        return Err(Error::new(
            ErrorKind::InvalidWeights,
            format!("{tokens} positions and {channels} channels are no square RGB image tower"),
        ));
    }
    let vision = VisionConfig {
        image_size: grid * patch_size,
        patch_size,
        width,
        layers: dims.layers("visual.transformer.resblocks"),
        heads: published_heads(Tower::Vision, width)?,
        mlp_width,
        activation,
        eps: DEFAULT_EPS,
    };
    let [vocab_size, width] = dims.get("token_embedding.weight")?;
    let [context_length, _] = dims.get("positional_embedding")?;
    let [mlp_width, _] = dims.get("transformer.resblocks.0.mlp.c_fc.weight")?;
    let text = TextConfig {
        context_length,
        vocab_size,
        width,
        layers: dims.layers("transformer.resblocks"),
        heads: published_heads(Tower::Text, width)?,
        mlp_width,
        activation,
        eps: DEFAULT_EPS,
    };
    Ok(ClipConfig { embed_dim, vision, text })
}

/// One of CLIP's two towers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tower {
    /// The image tower.
    Vision,
    /// The text tower.
    Text,
}

/// Attention heads of the published CLIP models by tower and width.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] for any other width.
pub fn published_heads(tower: Tower, width: usize) -> Result<usize> {
    let heads = match (tower, width) {
        (Tower::Vision, 768) => 12,  // ViT-B
        (Tower::Vision, 1024) => 16, // ViT-L
        (Tower::Vision, 1280) => 16, // ViT-H, heads of 80
        (Tower::Vision, 1408) => 16, // ViT-g, heads of 88
        (Tower::Vision, 1664) => 16, // ViT-bigG, heads of 104
        (Tower::Text, 512 | 768 | 1024 | 1280) => width / 64,
        _ => {
            let tower = if tower == Tower::Vision { "vision" } else { "text" };
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("no published CLIP model has a {tower} tower of width {width}"),
            )
            .with_hint(
                "Give its architecture with `--arch FILE.json` in open_clip's model-config form.",
            ));
        }
    };
    Ok(heads)
}

struct Shapes<F> {
    shape: F,
}

impl<F: Fn(&str) -> Option<Vec<usize>>> Shapes<F> {
    fn get<const N: usize>(&self, name: &str) -> Result<[usize; N]> {
        let wrong = |found: String| {
            Error::new(
                ErrorKind::InvalidWeights,
                format!("tensor '{name}': {found} where {N} dimensions are expected"),
            )
            .with_hint("The file does not hold a CLIP model with a vision transformer.")
        };
        let shape = (self.shape)(name).ok_or_else(|| wrong("missing".into()))?;
        <[usize; N]>::try_from(shape).map_err(|shape| wrong(format!("found {shape:?}")))
    }

    fn layers(&self, prefix: &str) -> usize {
        let exists = |i: &usize| (self.shape)(&format!("{prefix}.{i}.ln_1.weight")).is_some();
        (0..).take_while(exists).count()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn shapes_of(config: &ClipConfig) -> HashMap<String, Vec<usize>> {
        clip_tensors(config).into_iter().map(|spec| (spec.name, spec.shape)).collect()
    }

    #[test]
    fn vit_h_14_has_the_published_size() {
        let tensors = clip_tensors(&ClipConfig::vit_h_14());
        assert_eq!(tensors.len(), 686);
        let values: usize = tensors.iter().map(|spec| spec.shape.iter().product::<usize>()).sum();
        assert_eq!(values, 986_109_441);
    }

    #[test]
    fn shapes_tell_the_architecture() {
        for (config, activation) in [
            (ClipConfig::vit_h_14(), Activation::Gelu),
            (ClipConfig::vit_l_14(), Activation::QuickGelu),
            (ClipConfig::vit_big_g_14(), Activation::Gelu),
        ] {
            let shapes = shapes_of(&config);
            let inferred = infer_config(|name| shapes.get(name).cloned(), activation);
            assert_eq!(inferred.ok(), Some(config));
        }
    }

    #[test]
    fn unknown_widths_and_missing_tensors_say_so() {
        let mut shapes = shapes_of(&ClipConfig::vit_h_14());
        shapes.insert("visual.conv1.weight".into(), vec![64, 3, 8, 8]);
        let infer = |shapes: &HashMap<String, Vec<usize>>| {
            infer_config(|name| shapes.get(name).cloned(), Activation::Gelu)
        };
        let error = infer(&shapes).expect_err("width 64 is unknown");
        assert!(error.hint().is_some_and(|hint| hint.contains("--arch")));
        shapes.remove("visual.proj");
        assert!(infer(&shapes).expect_err("missing").message().contains("visual.proj"));
    }
}
