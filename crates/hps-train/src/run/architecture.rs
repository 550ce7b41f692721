//! An architecture in open_clip's form.

use hps_clip::ClipConfig;
use hps_nn::Activation;
use serde_json::{Value, json};

/// `open_clip_config.json` of a model.
pub(super) fn open_clip_config(config: &ClipConfig) -> Value {
    let (v, t) = (&config.vision, &config.text);
    let ratio = |mlp: usize, width: usize| mlp as f64 / width as f64;
    json!({"model_cfg": {
        "embed_dim": config.embed_dim,
        "quick_gelu": v.activation == Activation::QuickGelu,
        "vision_cfg": {
            "image_size": v.image_size, "patch_size": v.patch_size, "width": v.width,
            "layers": v.layers, "head_width": v.width / v.heads.max(1),
            "mlp_ratio": ratio(v.mlp_width, v.width),
        },
        "text_cfg": {
            "context_length": t.context_length, "vocab_size": t.vocab_size, "width": t.width,
            "layers": t.layers, "heads": t.heads, "mlp_ratio": ratio(t.mlp_width, t.width),
        },
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_are_read_back() {
        for config in [ClipConfig::vit_h_14(), ClipConfig::vit_l_14(), ClipConfig::vit_big_g_14()] {
            let json = open_clip_config(&config).to_string();
            assert_eq!(ClipConfig::from_open_clip(&json).ok(), Some(config));
        }
    }
}
