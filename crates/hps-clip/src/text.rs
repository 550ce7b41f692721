//! The text tower.

use candle_core::{Device, IndexOp, Result, Tensor};
use hps_nn::{Embedding, LayerNorm, Linear, VarBuilder, causal_mask};

use crate::TextConfig;
use crate::block::{Block, BlockConfig};

/// Which hidden states of the text tower are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HiddenLayer {
    /// Blocks left out at the end: 0 is the last layer's output, 1 the
    /// penultimate one's (what SDXL reads).
    pub skip_last: usize,
    /// Whether the final layer norm follows.
    pub final_norm: bool,
}

impl HiddenLayer {
    /// The last layer after the final norm: what Stable Diffusion 1.x and 2.x read.
    pub const FINAL: HiddenLayer = HiddenLayer { skip_last: 0, final_norm: true };
    /// The layer before the last, not normalised: what SDXL reads.
    pub const PENULTIMATE: HiddenLayer = HiddenLayer { skip_last: 1, final_norm: false };
}

/// CLIP's causal text transformer, in open_clip's tensor names.
#[derive(Clone, Debug)]
pub struct TextTower {
    token_embedding: Embedding,
    positional_embedding: Tensor,
    blocks: Vec<Block>,
    ln_final: LayerNorm,
    projection: Option<Linear>,
    mask: Tensor,
    config: TextConfig,
}

impl TextTower {
    /// Loads `token_embedding`, `positional_embedding`, `transformer.resblocks.N`,
    /// `ln_final` and, where `embed_dim` is given, `text_projection`.
    ///
    /// # Errors
    ///
    /// When a tensor is missing or has another shape.
    pub fn load(config: &TextConfig, embed_dim: Option<usize>, vb: VarBuilder<'_>) -> Result<Self> {
        let block = BlockConfig {
            width: config.width,
            heads: config.heads,
            mlp_width: config.mlp_width,
            activation: config.activation,
            eps: config.eps,
        };
        let layers = vb.pp("transformer").pp("resblocks");
        let blocks = (0..config.layers).map(|i| Block::load(block, layers.pp(i)));
        let projection = match embed_dim {
            // Stored for `x @ projection`.
            Some(dim) => {
                let weight = vb.get((config.width, dim), "text_projection")?;
                Some(Linear::new(weight.t()?.contiguous()?, None))
            }
            None => None,
        };
        let positions = (config.context_length, config.width);
        Ok(TextTower {
            token_embedding: Embedding::load(
                config.vocab_size,
                config.width,
                vb.pp("token_embedding"),
            )?,
            positional_embedding: vb.get(positions, "positional_embedding")?,
            blocks: blocks.collect::<Result<_>>()?,
            ln_final: LayerNorm::load(config.width, config.eps, vb.pp("ln_final"))?,
            projection,
            mask: causal_mask(config.context_length, vb.device())?,
            config: config.clone(),
        })
    }

    /// The architecture.
    pub fn config(&self) -> &TextConfig {
        &self.config
    }

    /// The device the weights are on.
    pub fn device(&self) -> &Device {
        self.positional_embedding.device()
    }

    /// Hidden states `[batch, context_length, width]` of token `ids`, each of
    /// `context_length`.
    ///
    /// # Errors
    ///
    /// When a sequence has another length, an id is unknown, or `layer` leaves
    /// out more blocks than there are.
    pub fn hidden_states(&self, ids: &[Vec<u32>], layer: HiddenLayer) -> Result<Tensor> {
        let Some(count) = self.blocks.len().checked_sub(layer.skip_last) else {
            candle_core::bail!("the text tower has only {} layers", self.blocks.len())
        };
        let len = self.config.context_length;
        if let Some(wrong) = ids.iter().find(|ids| ids.len() != len) {
            candle_core::bail!("{} tokens where {len} are expected", wrong.len())
        }
        let ids = Tensor::from_vec(ids.concat(), (ids.len(), len), self.device())?;
        let mut xs =
            self.token_embedding.forward(&ids)?.broadcast_add(&self.positional_embedding)?;
        for block in &self.blocks[..count] {
            xs = block.forward(&xs, Some(&self.mask))?;
        }
        if layer.final_norm { self.ln_final.forward(&xs) } else { Ok(xs) }
    }

    /// Features `[batch, embed_dim]`, not normalised: the final hidden state at
    /// each sequence's end-of-text position `ends`, projected.
    ///
    /// # Errors
    ///
    /// As [`hidden_states`](Self::hidden_states); also when the tower was loaded
    /// without projection.
    pub fn encode(&self, ids: &[Vec<u32>], ends: &[usize]) -> Result<Tensor> {
        let Some(projection) = &self.projection else {
            candle_core::bail!("this text tower has no projection")
        };
        let states = self.hidden_states(ids, HiddenLayer::FINAL)?;
        let pooled: Vec<Tensor> =
            ends.iter().enumerate().map(|(i, &end)| states.i((i, end))).collect::<Result<_>>()?;
        projection.forward(&Tensor::stack(&pooled, 0)?)
    }
}
