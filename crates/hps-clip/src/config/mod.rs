//! Architectures. They are read from open_clip's model configuration, from Hugging
//! Face's `config.json`, or from the shapes of the tensors themselves.

mod hugging_face;
mod open_clip;

use hps_core::{Error, ErrorKind, Result};
use hps_nn::Activation;
use serde::Deserialize;

/// A complete CLIP model.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipConfig {
    /// Dimension of the shared feature space.
    pub embed_dim: usize,
    /// The image tower.
    pub vision: VisionConfig,
    /// The text tower.
    pub text: TextConfig,
}

/// An image tower: a vision transformer that reads square pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct VisionConfig {
    /// Side of the input in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads per block.
    pub heads: usize,
    /// Width of the hidden layer of each block's MLP.
    pub mlp_width: usize,
    /// Activation of the MLP.
    pub activation: Activation,
    /// Epsilon of the layer norms.
    pub eps: f64,
}

/// A text tower: a causal transformer over tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct TextConfig {
    /// Number of tokens read.
    pub context_length: usize,
    /// Number of token embeddings.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads per block.
    pub heads: usize,
    /// Width of the hidden layer of each block's MLP.
    pub mlp_width: usize,
    /// Activation of the MLP.
    pub activation: Activation,
    /// Epsilon of the layer norms.
    pub eps: f64,
}

/// The epsilon of `torch.nn.LayerNorm`.
pub(crate) const DEFAULT_EPS: f64 = 1e-5;

impl VisionConfig {
    /// Patches plus the class token.
    pub fn tokens(&self) -> usize {
        (self.image_size / self.patch_size).pow(2) + 1
    }
}

impl ClipConfig {
    /// ViT-H/14 as HPS v2 uses it: 986,109,441 parameters in 686 tensors.
    ///
    /// Source: `ViT-H-14.json` of open_clip.
    pub fn vit_h_14() -> Self {
        let vision = VisionConfig {
            image_size: 224,
            patch_size: 14,
            width: 1280,
            layers: 32,
            heads: 16,
            mlp_width: 5120,
            activation: Activation::Gelu,
            eps: DEFAULT_EPS,
        };
        let text = TextConfig {
            context_length: 77,
            vocab_size: 49408,
            width: 1024,
            layers: 24,
            heads: 16,
            mlp_width: 4096,
            activation: Activation::Gelu,
            eps: DEFAULT_EPS,
        };
        ClipConfig { embed_dim: 1024, vision, text }
    }

    /// OpenAI's ViT-L/14, with quick-gelu.
    ///
    /// Source: `ViT-L-14-quickgelu.json` of open_clip.
    pub fn vit_l_14() -> Self {
        let base = ClipConfig::vit_h_14();
        let activation = Activation::QuickGelu;
        let vision =
            VisionConfig { width: 1024, layers: 24, mlp_width: 4096, activation, ..base.vision };
        let text = TextConfig {
            width: 768,
            layers: 12,
            heads: 12,
            mlp_width: 3072,
            activation,
            ..base.text
        };
        ClipConfig { embed_dim: 768, vision, text }
    }

    /// ViT-bigG/14.
    ///
    /// Source: `ViT-bigG-14.json` of open_clip (`mlp_ratio` 4.9231).
    pub fn vit_big_g_14() -> Self {
        let base = ClipConfig::vit_h_14();
        let vision = VisionConfig { width: 1664, layers: 48, mlp_width: 8192, ..base.vision };
        let text = TextConfig { width: 1280, layers: 32, heads: 20, mlp_width: 5120, ..base.text };
        ClipConfig { embed_dim: 1280, vision, text }
    }

    fn validated(self) -> Result<Self> {
        let v = &self.vision;
        check("vision", [v.width, v.heads, v.layers, v.mlp_width])?;
        if v.patch_size == 0 || v.image_size == 0 || !v.image_size.is_multiple_of(v.patch_size) {
            return Err(invalid(format!(
                "an image of {} pixels does not split into patches of {}",
                v.image_size, v.patch_size
            )));
        }
        self.text.validate()?;
        if !(1..=MAX_DIMENSION).contains(&self.embed_dim) || v.image_size > MAX_DIMENSION {
            let (dim, size) = (self.embed_dim, v.image_size);
            return Err(invalid(format!("embed_dim is {dim} and image_size {size}")));
        }
        Ok(self)
    }
}

impl TextConfig {
    fn validate(&self) -> Result<()> {
        check("text", [self.width, self.heads, self.layers, self.mlp_width])?;
        let (length, vocabulary) = (self.context_length, self.vocab_size);
        if !(2..=MAX_DIMENSION).contains(&length) || !(1..=MAX_VOCABULARY).contains(&vocabulary) {
            return Err(invalid(format!("the text tower reads {length} of {vocabulary} tokens")));
        }
        Ok(())
    }
}

/// Far above any model, far below what would overflow or fill the memory.
const MAX_DIMENSION: usize = 1 << 16;
const MAX_LAYERS: usize = 1 << 10;
const MAX_VOCABULARY: usize = 1 << 24;

fn check(tower: &str, [width, heads, layers, mlp_width]: [usize; 4]) -> Result<()> {
    let fits = (1..=MAX_DIMENSION).contains(&width)
        && (1..=MAX_DIMENSION).contains(&mlp_width)
        && (1..=MAX_LAYERS).contains(&layers)
        && heads > 0
        && width.is_multiple_of(heads);
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "the {tower} tower has width {width}, {heads} heads, {layers} layers and an MLP of \
         {mlp_width}"
    )))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str, what: &str) -> Result<T> {
    serde_json::from_str(json)
        .map_err(|error| invalid(format!("this is not {what}")).with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        for json in ["", "{}", "[]", r#"{"embed_dim": "x"}"#] {
            assert!(ClipConfig::from_open_clip(json).is_err());
            assert!(ClipConfig::from_hugging_face(json).is_err());
        }
        let odd = r#"{"embed_dim": 8, "vision_cfg": {"image_size": 30, "layers": 1, "width": 64,
            "patch_size": 7}, "text_cfg": {"width": 8, "heads": 3, "layers": 1}}"#;
        assert!(ClipConfig::from_open_clip(odd).is_err());
        let huge = odd.replace("30", "8000000000000").replace('7', "8").replace('3', "2");
        assert!(ClipConfig::from_open_clip(&huge).is_err());
    }
}
