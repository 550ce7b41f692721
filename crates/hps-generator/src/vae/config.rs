//! `vae/config.json` of diffusers.

use hps_core::{Error, ErrorKind, Result};
use hps_nn::Activation;
use serde::Deserialize;
use serde_json::Value;

/// The dimensions of a decoder. Defaults are those of diffusers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct VaeConfig {
    /// Channels of the picture; must be 3.
    pub out_channels: usize,
    /// Channels of each resolution, from the highest down.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each resolution, less one.
    pub layers_per_block: usize,
    /// The kind of each block; `UpDecoderBlock2D` is the only one supported.
    pub up_block_types: Vec<String>,
    /// The activation.
    pub act_fn: Activation,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Groups of all norms.
    pub norm_num_groups: usize,
    /// Latents are divided by this before decoding.
    pub scaling_factor: f64,
    /// Added to latents after the division, where the model has it.
    pub shift_factor: Option<f64>,
    /// Whether a 1×1 convolution comes first.
    pub use_post_quant_conv: bool,
    /// Whether the middle block has an attention.
    pub mid_block_add_attention: bool,
}

impl Default for VaeConfig {
    fn default() -> Self {
        VaeConfig {
            out_channels: 3,
            block_out_channels: vec![64],
            layers_per_block: 1,
            up_block_types: vec!["UpDecoderBlock2D".to_owned()],
            act_fn: Activation::Silu,
            latent_channels: 4,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
            shift_factor: None,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
        }
    }
}

impl VaeConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] naming the key that is wrong or asks for
    /// something that is not supported.
    pub fn from_json(json: &Value) -> Result<Self> {
        for key in ["latents_mean", "latents_std"] {
            match json.get(key) {
                None | Some(Value::Null) => {}
                Some(value) => return Err(invalid(format!("'{key}': {value} is not supported"))),
            }
        }
        let config = VaeConfig::deserialize(json).map_err(|error| invalid(error.to_string()))?;
        config.validate()?;
        Ok(config)
    }

    /// How many pixels, in each direction, one latent value stands for.
    pub fn scale(&self) -> usize {
        1 << self.block_out_channels.len().saturating_sub(1)
    }

    fn validate(&self) -> Result<()> {
        if let Some(kind) = self.up_block_types.iter().find(|kind| *kind != "UpDecoderBlock2D") {
            return Err(invalid(format!("'up_block_types': {kind} is not supported")));
        }
        let blocks = self.block_out_channels.len();
        // Eight halvings of the picture are more than any model has.
        if blocks == 0 || blocks > 8 || self.up_block_types.len() != blocks {
            return Err(invalid(format!(
                "{blocks} block_out_channels and {} up_block_types",
                self.up_block_types.len()
            )));
        }
        let groups = self.norm_num_groups;
        let misfit =
            |&&channels: &&usize| groups == 0 || channels == 0 || !channels.is_multiple_of(groups);
        if let Some(channels) = self.block_out_channels.iter().find(misfit) {
            return Err(invalid(format!("{channels} channels in {groups} groups")));
        }
        if self.out_channels != 3 || self.latent_channels == 0 {
            return Err(invalid(format!(
                "out_channels {} and latent_channels {}",
                self.out_channels, self.latent_channels
            )));
        }
        if !self.scaling_factor.is_finite() || self.scaling_factor == 0.0 {
            return Err(invalid(format!("scaling_factor {}", self.scaling_factor)));
        }
        Ok(())
    }
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("vae/config.json: {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn the_scale_follows_from_the_blocks() {
        let config = VaeConfig::from_json(&json!({
            "block_out_channels": [128, 256, 512, 512],
            "up_block_types": vec!["UpDecoderBlock2D"; 4], "shift_factor": null,
        }))
        .unwrap();
        assert_eq!(config.scale(), 8);
        assert_eq!(VaeConfig::from_json(&json!({})).unwrap().scale(), 1);
    }

    #[test]
    fn wrong_settings_are_named() {
        for (json, word) in [
            (json!({"latents_mean": [0.0]}), "latents_mean"),
            (json!({"up_block_types": ["AttnUpDecoderBlock2D"]}), "AttnUpDecoderBlock2D"),
            (json!({"block_out_channels": [64, 64]}), "block_out_channels"),
            (json!({"block_out_channels": []}), "block_out_channels"),
            (json!({"norm_num_groups": 48}), "groups"),
            (json!({"out_channels": 1}), "out_channels"),
            (json!({"scaling_factor": 0}), "scaling_factor"),
            (json!({"act_fn": "mish"}), "mish"),
        ] {
            let error = VaeConfig::from_json(&json).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.message().contains(word), "{error}");
        }
    }
}
