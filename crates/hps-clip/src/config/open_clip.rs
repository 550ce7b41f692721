//! open_clip's model configuration: `embed_dim`, `vision_cfg`, `text_cfg`.

use hps_core::Result;
use hps_nn::Activation;
use serde::Deserialize;

use super::{ClipConfig, DEFAULT_EPS, TextConfig, VisionConfig, parse};

impl ClipConfig {
    /// Reads open_clip's model configuration (`embed_dim`, `vision_cfg`,
    /// `text_cfg`, `quick_gelu`).
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidConfig`] for text that is not such a configuration.
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
}
