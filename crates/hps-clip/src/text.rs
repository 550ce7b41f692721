//! The text tower.

use candle_core::{Device, IndexOp, Result, Tensor};
use hps_nn::{Embedding, LayerNorm, Linear, Mask, VarBuilder};

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
            mask: Mask::Causal,
            mlp_width: config.mlp_width,
            activation: config.activation,
            eps: config.eps,
        };
        let layers = vb.pp("transformer").pp("resblocks");
        let blocks = (0..config.layers).map(|i| Block::load(block, layers.pp(i)));
        let projection = match embed_dim {
            // Stored for `x @ projection`.
            Some(dim) => {
                let weight = vb.get_stored((config.width, dim), "text_projection")?;
                Some(Linear::new(&weight.t()?.contiguous()?, None, vb.precision())?)
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
        self.check_lengths(ids)?;
        self.states(ids, self.config.context_length, layer)
    }

    fn check_lengths(&self, ids: &[Vec<u32>]) -> Result<()> {
        let len = self.config.context_length;
        match ids.iter().find(|ids| ids.len() != len) {
            Some(wrong) => candle_core::bail!("{} tokens where {len} are expected", wrong.len()),
            None => Ok(()),
        }
    }

    /// Hidden states of sequences of `len` tokens, at most `context_length`.
    fn states(&self, ids: &[Vec<u32>], len: usize, layer: HiddenLayer) -> Result<Tensor> {
        let Some(count) = self.blocks.len().checked_sub(layer.skip_last) else {
            candle_core::bail!("the text tower has only {} layers", self.blocks.len())
        };
        let ids = Tensor::from_vec(ids.concat(), (ids.len(), len), self.device())?;
        let positions = self.positional_embedding.narrow(0, 0, len)?;
        let mut xs = self.token_embedding.forward(&ids)?.broadcast_add(&positions)?;
        for block in &self.blocks[..count] {
            xs = block.forward(&xs)?;
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
        // Attention is causal, so nothing after the last end reaches a feature.
        let len = ends.iter().max().map_or(0, |end| end + 1).min(self.config.context_length);
        self.check_lengths(ids)?;
        let ids: Vec<Vec<u32>> = ids.iter().map(|ids| ids[..len].to_vec()).collect();
        let states = self.states(&ids, len, HiddenLayer::FINAL)?;
        let pooled: Vec<Tensor> =
            ends.iter().enumerate().map(|(i, &end)| states.i((i, end))).collect::<Result<_>>()?;
        projection.forward(&Tensor::stack(&pooled, 0)?)
    }
}
