//! Which settings of `UNet2DConditionModel` are implemented.

use hps_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

/// Checks that every setting without an implementation has the value that turns
/// it off.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] naming the key and its value.
pub(super) fn check_supported(config: &Value) -> Result<()> {
    for (key, needed) in fixed_settings() {
        match config.get(key) {
            None | Some(Value::Null) => {}
            Some(value) if same(value, &needed) => {}
            Some(value) => return Err(unsupported(key, value)),
        }
    }
    // A model without a middle block says so with null, so null counts here.
    match config.get("mid_block_type") {
        None => Ok(()),
        Some(Value::String(name)) if name == "UNetMidBlock2DCrossAttn" => Ok(()),
        Some(value) => Err(unsupported("mid_block_type", value)),
    }
}

/// Settings that can only have one value; null turns the feature off.
fn fixed_settings() -> Vec<(&'static str, Value)> {
    vec![
        ("addition_embed_type", Value::Null),
        ("attention_type", json!("default")),
        ("center_input_sample", json!(false)),
        ("class_embed_type", Value::Null),
        ("class_embeddings_concat", json!(false)),
        ("conv_in_kernel", json!(3)),
        ("conv_out_kernel", json!(3)),
        ("cross_attention_norm", Value::Null),
        ("dual_cross_attention", json!(false)),
        ("encoder_hid_dim", Value::Null),
        ("encoder_hid_dim_type", Value::Null),
        ("mid_block_only_cross_attention", json!(false)),
        ("mid_block_scale_factor", json!(1)),
        ("num_attention_heads", Value::Null),
        ("num_class_embeds", Value::Null),
        ("only_cross_attention", json!(false)),
        ("resnet_out_scale_factor", json!(1)),
        ("resnet_skip_time_act", json!(false)),
        ("resnet_time_scale_shift", json!("default")),
        ("reverse_transformer_layers_per_block", Value::Null),
        ("time_cond_proj_dim", Value::Null),
        ("time_embedding_act_fn", Value::Null),
        ("time_embedding_dim", Value::Null),
        ("time_embedding_type", json!("positional")),
        ("timestep_post_act", Value::Null),
    ]
}

/// Equality that does not tell 1 from 1.0.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}

fn unsupported(key: &str, value: &Value) -> Error {
    let hint = match key {
        "addition_embed_type" => "This is how SDXL models look, which this version cannot run.",
        "time_cond_proj_dim" => "This is how LCM models look, which this version cannot run.",
        _ => "Models of the Stable Diffusion 1 and 2 families can be run.",
    };
    Error::new(
        ErrorKind::InvalidConfig,
        format!("unet/config.json: '{key}': {value} is not supported"),
    )
    .with_hint(hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn neutral_values_pass() {
        let config = json!({
            "class_embed_type": null, "resnet_out_scale_factor": 1.0, "mid_block_scale_factor": 1,
            "attention_type": "default", "mid_block_only_cross_attention": null,
            "time_embedding_type": "positional", "only_cross_attention": false,
        });
        check_supported(&config).unwrap();
    }

    #[test]
    fn every_other_value_is_named() {
        for (key, value) in [
            ("addition_embed_type", json!("text_time")),
            ("time_cond_proj_dim", json!(256)),
            ("class_embed_type", json!("timestep")),
            ("mid_block_type", Value::Null),
            ("mid_block_type", json!("UNetMidBlock2D")),
            ("resnet_out_scale_factor", json!(1.5)),
            ("only_cross_attention", json!([true, true, true, false])),
            ("conv_in_kernel", json!(1)),
        ] {
            let error = check_supported(&json!({ key: value })).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.message().contains(&format!("'{key}': {value}")), "{error}");
        }
    }
}
