//! `unet/config.json` of diffusers.

use hps_core::{Error, ErrorKind, Result};
use hps_nn::Activation;
use serde::Deserialize;
use serde_json::Value;

use super::supported::check_supported;

/// The dimensions of a denoising network.
///
/// Defaults are those of diffusers. Lists have one entry for each block, from
/// the full resolution downwards.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct UNetConfig {
    /// The latents' side the model was trained with.
    pub sample_size: Option<SampleSize>,
    /// Latent channels in.
    pub in_channels: usize,
    /// Latent channels out.
    pub out_channels: usize,
    /// Whether the sinusoidal time embedding starts with the cosines.
    pub flip_sin_to_cos: bool,
    /// Shift of the frequencies of the time embedding.
    pub freq_shift: f64,
    /// The kind of each block on the way down.
    pub down_block_types: Vec<BlockType>,
    /// The kind of each block on the way up.
    pub up_block_types: Vec<BlockType>,
    /// Channels of each block.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks in each block on the way down; one more on the way up.
    pub layers_per_block: PerBlock,
    /// Padding of the halving convolutions, 0 or 1.
    pub downsample_padding: usize,
    /// The activation outside of the transformers.
    pub act_fn: Activation,
    /// Groups of all group norms.
    pub norm_num_groups: usize,
    /// Epsilon of the group norms outside of the transformers.
    pub norm_eps: f64,
    /// Width of the text encoder's states.
    pub cross_attention_dim: PerBlock,
    /// Transformer layers in each attention.
    pub transformer_layers_per_block: PerBlock,
    /// The number of attention heads, in spite of its name
    /// (huggingface/diffusers#2011).
    pub attention_head_dim: PerBlock,
    /// Whether the transformers' outer projections are linear layers, and not
    /// 1×1 convolutions, which differ in the stored shape only.
    pub use_linear_projection: bool,
}

impl Default for UNetConfig {
    fn default() -> Self {
        use BlockType::{Attention, Plain};
        UNetConfig {
            sample_size: None,
            in_channels: 4,
            out_channels: 4,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            down_block_types: vec![Attention, Attention, Attention, Plain],
            up_block_types: vec![Plain, Attention, Attention, Attention],
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: PerBlock::One(2),
            downsample_padding: 1,
            act_fn: Activation::Silu,
            norm_num_groups: 32,
            norm_eps: 1e-5,
            cross_attention_dim: PerBlock::One(1280),
            transformer_layers_per_block: PerBlock::One(1),
            attention_head_dim: PerBlock::One(8),
            use_linear_projection: false,
        }
    }
}

/// One number for all blocks, or one for each.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum PerBlock {
    /// For all blocks.
    One(usize),
    /// For each block.
    Each(Vec<usize>),
}

impl PerBlock {
    /// The number of block `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<usize> {
        match self {
            PerBlock::One(number) => Some(*number),
            PerBlock::Each(numbers) => numbers.get(index).copied(),
        }
    }
}

/// The side of square latents, or height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum SampleSize {
    /// Height and width.
    Square(usize),
    /// Height, width.
    Sides(usize, usize),
}

impl SampleSize {
    /// Height and width.
    pub fn sides(self) -> (usize, usize) {
        match self {
            SampleSize::Square(side) => (side, side),
            SampleSize::Sides(height, width) => (height, width),
        }
    }
}

/// The kind of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum BlockType {
    /// Residual blocks alone.
    #[serde(rename = "DownBlock2D", alias = "UpBlock2D")]
    Plain,
    /// A transformer after each residual block.
    #[serde(rename = "CrossAttnDownBlock2D", alias = "CrossAttnUpBlock2D")]
    Attention,
}

/// The dimensions of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockDims {
    pub channels: usize,
    pub layers: usize,
    pub heads: usize,
    pub transformer_layers: usize,
    pub context_dim: usize,
}

impl UNetConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] naming the key that is missing, wrong, or asks
    /// for something that is not supported.
    pub fn from_json(json: &Value) -> Result<Self> {
        check_supported(json)?;
        let config = UNetConfig::deserialize(json).map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, format!("unet/config.json: {error}"))
        })?;
        config.validate()?;
        Ok(config)
    }

    /// The number of blocks on each side.
    pub fn blocks(&self) -> usize {
        self.block_out_channels.len()
    }

    /// The dimensions of block `index`, if there is one.
    pub(super) fn block(&self, index: usize) -> Option<BlockDims> {
        Some(BlockDims {
            channels: *self.block_out_channels.get(index)?,
            layers: self.layers_per_block.get(index)?,
            heads: self.attention_head_dim.get(index)?,
            transformer_layers: self.transformer_layers_per_block.get(index)?,
            context_dim: self.cross_attention_dim.get(index)?,
        })
    }

    fn validate(&self) -> Result<()> {
        let blocks = self.blocks();
        if blocks == 0
            || self.down_block_types.len() != blocks
            || self.up_block_types.len() != blocks
        {
            return Err(invalid(format!(
                "{blocks} block_out_channels, {} down_block_types and {} up_block_types",
                self.down_block_types.len(),
                self.up_block_types.len()
            )));
        }
        for (key, list) in [
            ("layers_per_block", &self.layers_per_block),
            ("attention_head_dim", &self.attention_head_dim),
            ("transformer_layers_per_block", &self.transformer_layers_per_block),
            ("cross_attention_dim", &self.cross_attention_dim),
        ] {
            match list {
                PerBlock::Each(numbers) if numbers.len() != blocks => {
                    return Err(invalid(format!("{key} has not {blocks} entries")));
                }
                PerBlock::Each(numbers) if numbers.contains(&0) => {
                    return Err(invalid(format!("{key} contains 0")));
                }
                PerBlock::One(0) => return Err(invalid(format!("{key} is 0"))),
                _ => {}
            }
        }
        if self.downsample_padding > 1 {
            return Err(invalid(format!("downsample_padding is {}", self.downsample_padding)));
        }
        for dims in (0..blocks).filter_map(|index| self.block(index)) {
            self.validate_block(dims)?;
        }
        Ok(())
    }

    fn validate_block(&self, dims: BlockDims) -> Result<()> {
        let BlockDims { channels, heads, .. } = dims;
        let groups = self.norm_num_groups;
        if channels == 0 || groups == 0 || !channels.is_multiple_of(groups) {
            return Err(invalid(format!("{channels} channels in {groups} groups")));
        }
        if !channels.is_multiple_of(heads) {
            return Err(invalid(format!("{channels} channels in {heads} attention heads")));
        }
        if self.block_out_channels.first().is_some_and(|first| !first.is_multiple_of(2)) {
            return Err(invalid("the first of block_out_channels is odd".to_owned()));
        }
        Ok(())
    }
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("unet/config.json: {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_those_of_diffusers() {
        let config = UNetConfig::from_json(&json!({})).unwrap();
        assert_eq!(config, UNetConfig::default());
        assert_eq!(config.block(3).unwrap().heads, 8);
        assert_eq!(config.block(4), None);
    }

    #[test]
    fn lists_and_single_numbers_are_read() {
        let config = UNetConfig::from_json(&json!({
            "attention_head_dim": [5, 10, 20, 20], "sample_size": [64, 96],
            "block_out_channels": [320, 640, 1280, 1280], "act_fn": "swish",
            "freq_shift": 0, "use_linear_projection": true, "upcast_attention": true,
        }))
        .unwrap();
        assert_eq!(config.block(1).unwrap().heads, 10);
        assert_eq!(config.sample_size.unwrap().sides(), (64, 96));
        assert_eq!(config.act_fn, Activation::Silu);
    }

    proptest! {
        /// Whatever the numbers are, reading says so and never panics.
        #[test]
        fn any_numbers_are_read_or_refused(
            channels in prop::collection::vec(0usize..2000, 0..5),
            heads in prop_oneof![
                (0usize..50).prop_map(|number| json!(number)),
                prop::collection::vec(0usize..50, 0..5).prop_map(|numbers| json!(numbers)),
            ],
            groups in 0usize..40,
        ) {
            let config = json!({
                "block_out_channels": channels, "attention_head_dim": heads,
                "norm_num_groups": groups,
                "down_block_types": vec!["CrossAttnDownBlock2D"; channels.len()],
                "up_block_types": vec!["CrossAttnUpBlock2D"; channels.len()],
            });
            if let Ok(config) = UNetConfig::from_json(&config) {
                for index in 0..channels.len() {
                    let dims = config.block(index).unwrap();
                    prop_assert_eq!(dims.channels % dims.heads, 0);
                    prop_assert_eq!(dims.channels % groups, 0);
                }
            }
        }
    }

    #[test]
    fn wrong_dimensions_are_named() {
        for (json, word) in [
            (json!({"block_out_channels": []}), "block_out_channels"),
            (json!({"block_out_channels": [320, 640]}), "down_block_types"),
            (json!({"layers_per_block": [2, 2]}), "layers_per_block"),
            (json!({"attention_head_dim": 0}), "attention_head_dim"),
            (json!({"attention_head_dim": 7}), "heads"),
            (json!({"norm_num_groups": 33}), "groups"),
            (json!({"norm_num_groups": 0}), "groups"),
            (json!({"downsample_padding": 2}), "downsample_padding"),
            (json!({"act_fn": "mish"}), "mish"),
            (json!({"down_block_types": ["KDownBlock2D"]}), "KDownBlock2D"),
            (json!({"in_channels": "four"}), "four"),
        ] {
            let error = UNetConfig::from_json(&json).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.message().contains(word), "{error}");
        }
    }
}
