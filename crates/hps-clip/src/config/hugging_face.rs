//! Hugging Face's `config.json` of `CLIPModel` and `CLIPTextModel`.

use hps_core::Result;
use hps_nn::Activation;
use serde::Deserialize;

use super::{ClipConfig, DEFAULT_EPS, TextConfig, VisionConfig, parse};

impl ClipConfig {
    /// Reads the `config.json` of a Hugging Face `CLIPModel`.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidConfig`] for text that is not such a configuration.
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
}

impl TextConfig {
    /// Reads the `config.json` of a Hugging Face `CLIPTextModel`, as in the
    /// `text_encoder` folder of a diffusers model.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidConfig`] for text that is not such a configuration.
    pub fn from_hugging_face(json: &str) -> Result<Self> {
        let config: HuggingFaceText = parse(json, "a CLIPTextModel config.json")?;
        let text = config.into_text();
        text.validate()?;
        Ok(text)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hugging_face_form_with_its_defaults() {
        let json = r#"{"projection_dim": 768, "text_config": {"hidden_size": 768,
            "intermediate_size": 3072, "num_attention_heads": 12},
            "vision_config": {"hidden_size": 1024, "intermediate_size": 4096,
            "num_hidden_layers": 24, "num_attention_heads": 16, "patch_size": 14}}"#;
        assert_eq!(ClipConfig::from_hugging_face(json).ok(), Some(ClipConfig::vit_l_14()));
    }
}
