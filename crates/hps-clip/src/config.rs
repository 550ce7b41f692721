//! Architectures: open_clip's model configuration, Hugging Face's `config.json`,
//! or the shapes of the tensors themselves.

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
const DEFAULT_EPS: f64 = 1e-5;

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

    /// Reads open_clip's model configuration (`embed_dim`, `vision_cfg`,
    /// `text_cfg`, `quick_gelu`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for text that is not such a configuration.
    pub fn from_open_clip(json: &str) -> Result<Self> {
        // The hub's `open_clip_config.json` has it one level down.
        let nested = serde_json::from_str::<Nested>(json).map(|nested| nested.model_cfg);
        let config = match nested {
            Ok(config) => config,
            Err(_) => parse(json, "an open_clip model configuration")?,
        };
        let (v, t) = (config.vision_cfg, config.text_cfg);
        let activation = if config.quick_gelu { Activation::QuickGelu } else { Activation::Gelu };
        let vision = VisionConfig {
            image_size: v.image_size,
            patch_size: v.patch_size,
            width: v.width,
            layers: v.layers,
            heads: v.width / v.head_width.max(1),
            mlp_width: (v.width as f64 * v.mlp_ratio) as usize,
            activation,
            eps: DEFAULT_EPS,
        };
        let text = TextConfig {
            context_length: t.context_length,
            vocab_size: t.vocab_size,
            width: t.width,
            layers: t.layers,
            heads: t.heads,
            mlp_width: (t.width as f64 * t.mlp_ratio) as usize,
            activation,
            eps: DEFAULT_EPS,
        };
        ClipConfig { embed_dim: config.embed_dim, vision, text }.validated()
    }

    /// Reads the `config.json` of a Hugging Face `CLIPModel`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for text that is not such a configuration.
    pub fn from_hugging_face(json: &str) -> Result<Self> {
        let config: HuggingFace = parse(json, "a CLIPModel config.json")?;
        let v = config.vision_config;
        let vision = VisionConfig {
            image_size: v.image_size,
            patch_size: v.patch_size,
            width: v.hidden_size,
            layers: v.num_hidden_layers,
            heads: v.num_attention_heads,
            mlp_width: v.intermediate_size,
            activation: v.hidden_act,
            eps: v.layer_norm_eps,
        };
        let text = config.text_config.into_text();
        ClipConfig { embed_dim: config.projection_dim, vision, text }.validated()
    }

    fn validated(self) -> Result<Self> {
        let v = &self.vision;
        check("vision", v.width, v.heads, v.layers)?;
        if v.patch_size == 0 || v.image_size == 0 || !v.image_size.is_multiple_of(v.patch_size) {
            return Err(invalid(format!(
                "an image of {} pixels does not split into patches of {}",
                v.image_size, v.patch_size
            )));
        }
        self.text.validate()?;
        if self.embed_dim == 0 {
            return Err(invalid("embed_dim is 0".into()));
        }
        Ok(self)
    }
}

impl TextConfig {
    /// Reads the `config.json` of a Hugging Face `CLIPTextModel`, as in the
    /// `text_encoder` folder of a diffusers model.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for text that is not such a configuration.
    pub fn from_hugging_face(json: &str) -> Result<Self> {
        let config: HuggingFaceText = parse(json, "a CLIPTextModel config.json")?;
        let text = config.into_text();
        text.validate()?;
        Ok(text)
    }

    fn validate(&self) -> Result<()> {
        check("text", self.width, self.heads, self.layers)?;
        if self.context_length < 2 || self.vocab_size == 0 {
            return Err(invalid("the text tower reads no tokens".into()));
        }
        Ok(())
    }
}

fn check(tower: &str, width: usize, heads: usize, layers: usize) -> Result<()> {
    if width == 0 || heads == 0 || !width.is_multiple_of(heads) || layers == 0 {
        return Err(invalid(format!(
            "the {tower} tower has width {width}, {heads} heads and {layers} layers"
        )));
    }
    Ok(())
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, message)
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str, what: &str) -> Result<T> {
    serde_json::from_str(json)
        .map_err(|error| invalid(format!("this is not {what}")).with_source(error))
}

#[derive(Deserialize)]
struct Nested {
    model_cfg: OpenClip,
}

#[derive(Deserialize)]
struct OpenClip {
    embed_dim: usize,
    vision_cfg: OpenClipVision,
    text_cfg: OpenClipText,
    #[serde(default)]
    quick_gelu: bool,
}

#[derive(Deserialize)]
struct OpenClipVision {
    image_size: usize,
    layers: usize,
    width: usize,
    #[serde(default = "head_width")]
    head_width: usize,
    #[serde(default = "mlp_ratio")]
    mlp_ratio: f64,
    patch_size: usize,
}

#[derive(Deserialize)]
struct OpenClipText {
    #[serde(default = "context_length")]
    context_length: usize,
    #[serde(default = "vocab_size")]
    vocab_size: usize,
    width: usize,
    heads: usize,
    layers: usize,
    #[serde(default = "mlp_ratio")]
    mlp_ratio: f64,
}

#[derive(Deserialize)]
struct HuggingFace {
    projection_dim: usize,
    text_config: HuggingFaceText,
    vision_config: HuggingFaceVision,
}

// The defaults below are those of `CLIPTextConfig` and `CLIPVisionConfig`: real
// files leave out every value that equals its default.
#[derive(Deserialize)]
#[serde(default)]
struct HuggingFaceText {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    hidden_act: Activation,
    layer_norm_eps: f64,
}

impl Default for HuggingFaceText {
    fn default() -> Self {
        HuggingFaceText {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: DEFAULT_EPS,
        }
    }
}

impl HuggingFaceText {
    fn into_text(self) -> TextConfig {
        TextConfig {
            context_length: self.max_position_embeddings,
            vocab_size: self.vocab_size,
            width: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            mlp_width: self.intermediate_size,
            activation: self.hidden_act,
            eps: self.layer_norm_eps,
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct HuggingFaceVision {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    image_size: usize,
    patch_size: usize,
    hidden_act: Activation,
    layer_norm_eps: f64,
}

impl Default for HuggingFaceVision {
    fn default() -> Self {
        HuggingFaceVision {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            image_size: 224,
            patch_size: 32,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: DEFAULT_EPS,
        }
    }
}

fn head_width() -> usize {
    64
}

fn mlp_ratio() -> f64 {
    4.0
}

fn context_length() -> usize {
    77
}

fn vocab_size() -> usize {
    49408
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_clip_form() {
        let json = r#"{"embed_dim": 1024,
            "vision_cfg": {"image_size": 224, "layers": 32, "width": 1280, "head_width": 80,
                           "patch_size": 14},
            "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 1024, "heads": 16,
                         "layers": 24}}"#;
        assert_eq!(ClipConfig::from_open_clip(json).ok(), Some(ClipConfig::vit_h_14()));
    }

    #[test]
    fn big_g_rounds_its_mlp_as_open_clip_does() {
        let json = r#"{"embed_dim": 1280,
            "vision_cfg": {"image_size": 224, "layers": 48, "width": 1664, "head_width": 104,
                           "mlp_ratio": 4.9231, "patch_size": 14},
            "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 1280, "heads": 20,
                         "layers": 32}}"#;
        assert_eq!(ClipConfig::from_open_clip(json).ok(), Some(ClipConfig::vit_big_g_14()));
    }

    #[test]
    fn hugging_face_form_with_its_defaults() {
        let json = r#"{"projection_dim": 768, "text_config": {"hidden_size": 768,
            "intermediate_size": 3072, "num_attention_heads": 12},
            "vision_config": {"hidden_size": 1024, "intermediate_size": 4096,
            "num_hidden_layers": 24, "num_attention_heads": 16, "patch_size": 14}}"#;
        assert_eq!(ClipConfig::from_hugging_face(json).ok(), Some(ClipConfig::vit_l_14()));
    }

    #[test]
    fn nonsense_is_refused() {
        for json in ["", "{}", "[]", r#"{"embed_dim": "x"}"#] {
            assert!(ClipConfig::from_open_clip(json).is_err());
            assert!(ClipConfig::from_hugging_face(json).is_err());
        }
        let odd = r#"{"embed_dim": 8, "vision_cfg": {"image_size": 30, "layers": 1, "width": 64,
            "patch_size": 7}, "text_cfg": {"width": 8, "heads": 3, "layers": 1}}"#;
        assert!(ClipConfig::from_open_clip(odd).is_err());
    }
}
