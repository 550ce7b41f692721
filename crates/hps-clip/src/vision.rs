//! The image tower.

use candle_core::{Device, IndexOp, Result, Tensor};
use hps_nn::{Conv2d, Conv2dConfig, LayerNorm, Linear, Mask, VarBuilder};

use crate::VisionConfig;
use crate::block::{Block, BlockConfig};

/// CLIP's vision transformer, in open_clip's tensor names below `visual.`.
#[derive(Clone, Debug)]
pub struct VisionTower {
    conv1: Conv2d,
    class_embedding: Tensor,
    positional_embedding: Tensor,
    ln_pre: LayerNorm,
    blocks: Vec<Block>,
    ln_post: LayerNorm,
    projection: Linear,
    config: VisionConfig,
}

impl VisionTower {
    /// Loads `conv1`, `class_embedding`, `positional_embedding`, `ln_pre`,
    /// `transformer.resblocks.N`, `ln_post` and `proj` from `vb`, which points
    /// at `visual`.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape.
    pub fn load(config: &VisionConfig, embed_dim: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let VisionConfig { width, eps, patch_size, .. } = *config;
        let block = BlockConfig {
            width,
            heads: config.heads,
            mask: Mask::None,
            mlp_width: config.mlp_width,
            activation: config.activation,
            eps,
        };
        let patches = Conv2dConfig { kernel: patch_size, stride: patch_size, padding: 0 };
        let layers = vb.pp("transformer").pp("resblocks");
        let blocks = (0..config.layers).map(|i| Block::load(block, layers.pp(i)));
        // Stored for `x @ proj`.
        let projection = vb.get_stored((width, embed_dim), "proj")?.t()?.contiguous()?;
        Ok(VisionTower {
            conv1: Conv2d::load_without_bias(3, width, patches, vb.pp("conv1"))?,
            class_embedding: vb.get(width, "class_embedding")?,
            positional_embedding: vb.get((config.tokens(), width), "positional_embedding")?,
            ln_pre: LayerNorm::load(width, eps, vb.pp("ln_pre"))?,
            blocks: blocks.collect::<Result<_>>()?,
            ln_post: LayerNorm::load(width, eps, vb.pp("ln_post"))?,
            projection: Linear::new(&projection, None, vb.precision())?,
            config: config.clone(),
        })
    }

    /// The architecture.
    pub fn config(&self) -> &VisionConfig {
        &self.config
    }

    /// The device the weights are on.
    pub fn device(&self) -> &Device {
        self.class_embedding.device()
    }

    /// Hidden states `[batch, 1 + patches, width]` of `pixels: [batch, 3, image_size,
    /// image_size]` after all but the last `skip_last` blocks, not normalised.
    /// The class token comes first.
    ///
    /// # Errors
    ///
    /// When the pictures have another size, or `skip_last` is too large.
    pub fn hidden_states(&self, pixels: &Tensor, skip_last: usize) -> Result<Tensor> {
        let Some(count) = self.blocks.len().checked_sub(skip_last) else {
            candle_core::bail!("the vision tower has only {} layers", self.blocks.len())
        };
        let mut xs = self.embed(pixels)?;
        for block in &self.blocks[..count] {
            xs = block.forward(&xs)?;
        }
        Ok(xs)
    }

    /// Class token and patches with their positions, normalised.
    fn embed(&self, pixels: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = pixels.dims4()?;
        let size = self.config.image_size;
        if (channels, height, width) != (3, size, size) {
            candle_core::bail!("{:?} where 3x{size}x{size} is expected", pixels.shape())
        }
        let patches = self.conv1.forward(pixels)?.flatten_from(2)?.transpose(1, 2)?;
        let class = self.class_embedding.expand((batch, 1, self.config.width))?;
        let xs = Tensor::cat(&[&class.contiguous()?, &patches.contiguous()?], 1)?;
        self.ln_pre.forward(&xs.broadcast_add(&self.positional_embedding)?)
    }

    /// Features `[batch, embed_dim]`, not normalised, of `pixels: [batch, 3,
    /// image_size, image_size]`.
    ///
    /// # Errors
    ///
    /// When the pictures have another size.
    pub fn encode(&self, pixels: &Tensor) -> Result<Tensor> {
        // Of the last block only the class token's row is wanted.
        let xs = match self.blocks.split_last() {
            Some((last, _)) => last.forward_prefix(&self.hidden_states(pixels, 1)?, 1)?,
            None => self.embed(pixels)?,
        };
        let class = xs.i((.., 0))?.contiguous()?;
        self.projection.forward(&self.ln_post.forward(&class)?)
    }
}
