//! open_clip's model configuration: `embed_dim`, `vision_cfg`, `text_cfg`.

use hps_core::{Error, ErrorKind, Result};
use hps_nn::Activation;
use serde::Deserialize;
use serde_json::{Map, Value};

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
        let what = "an open_clip model configuration";
        let mut value: Value = parse(json, what)?;
        if let Some(nested) = value.get_mut("model_cfg") {
            value = nested.take();
        }
        let config: OpenClip = parse(&value.to_string(), what)?;
        let (v, t) = (config.vision_cfg, config.text_cfg);
        for (tower, others) in [("vision_cfg", &v.others), ("text_cfg", &t.others)] {
            refuse_what_matters(tower, others)?;
        }
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

/// Keys with these values ask for nothing; any other unknown key may change the
/// arithmetic, and then silence would mean wrong scores.
fn refuse_what_matters(tower: &str, others: &Map<String, Value>) -> Result<()> {
    let harmless = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    };
    match others.iter().find(|(_, value)| !harmless(value)) {
        Some((key, value)) => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{tower}.{key} = {value} is not supported"),
        )
        .with_hint("Only plain vision transformers with GELU or quick-GELU can be loaded.")),
        None => Ok(()),
    }
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
    #[serde(flatten)]
    others: Map<String, Value>,
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
    #[serde(flatten)]
    others: Map<String, Value>,
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
    fn keys_that_would_change_the_arithmetic_are_refused() {
        let json = |vision: &str, text: &str| {
            format!(
                r#"{{"model_cfg": {{"embed_dim": 8, "vision_cfg": {{"image_size": 8, "layers": 1,
                "width": 64, "patch_size": 4{vision}}}, "text_cfg": {{"width": 8, "heads": 2,
                "layers": 1{text}}}}}}}"#
            )
        };
        let fine =
            json(r#", "ls_init_value": null, "patch_dropout": 0.0"#, r#", "proj_bias": false"#);
        assert!(ClipConfig::from_open_clip(&fine).is_ok());
        for (vision, text) in [
            (r#", "act_kwargs": {"approximate": "tanh"}"#, ""),
            (r#", "pool_type": "avg""#, ""),
            ("", r#", "no_causal_mask": true"#),
        ] {
            let error = ClipConfig::from_open_clip(&json(vision, text)).expect_err("refused");
            assert!(error.message().contains("is not supported"), "{error}");
        }
    }
}
