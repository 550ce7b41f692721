//! The image tower.

use candle_core::{Result, Tensor};
use hps_clip::VisionConfig;

use super::attention::Attention;
use super::block::BlockOptions;
use super::layer_norm::LayerNorm;
use super::linear::{Linear, WeightOrder, column_sums};
use super::parameters::{Gradients, Id, Parameters};
use super::patches::patches;
use super::stack::{Keep, Pass, Stack, StackTape};

/// CLIP's vision transformer.
#[derive(Clone, Debug)]
pub(super) struct VisionTower {
    config: VisionConfig,
    conv1: Linear,
    class_embedding: Id,
    positional_embedding: Id,
    ln_pre: LayerNorm,
    stack: Stack,
    ln_post: LayerNorm,
    projection: Linear,
}

/// What the backward pass needs.
pub(super) struct VisionTape {
    /// Patches and embeddings; only where something before the blocks is trained.
    stem: Option<(Tensor, Tensor)>,
    stack: StackTape,
    pooled: Tensor,
    normed: Tensor,
}

impl VisionTower {
    pub(super) fn new(parameters: &Parameters, config: &VisionConfig) -> Result<Self> {
        let options = BlockOptions {
            attention: Attention { heads: config.heads, causal: false },
            activation: config.activation,
            eps: config.eps,
        };
        let conv1 = parameters.id("visual.conv1.weight")?;
        let name = "visual.transformer.resblocks";
        Ok(VisionTower {
            config: config.clone(),
            conv1: Linear { weight: conv1, bias: None, order: WeightOrder::OutIn },
            class_embedding: parameters.id("visual.class_embedding")?,
            positional_embedding: parameters.id("visual.positional_embedding")?,
            ln_pre: LayerNorm::new(parameters, "visual.ln_pre", config.eps)?,
            stack: Stack::new(parameters, name, config.layers, options)?,
            ln_post: LayerNorm::new(parameters, "visual.ln_post", config.eps)?,
            projection: Linear::projection(parameters, "visual.proj")?,
        })
    }

    /// Whether anything before the blocks is trained.
    fn trains_stem(&self, parameters: &Parameters) -> bool {
        let embeddings = [self.class_embedding, self.positional_embedding];
        self.conv1.is_trainable(parameters)
            || self.ln_pre.is_trainable(parameters)
            || embeddings.iter().any(|id| parameters.is_trainable(*id))
    }

    /// Whether anything in the tower is trained.
    pub(super) fn is_trainable(&self, parameters: &Parameters) -> bool {
        self.trains_stem(parameters)
            || self.stack.first_trainable(parameters) < self.config.layers
            || self.ln_post.is_trainable(parameters)
            || self.projection.is_trainable(parameters)
    }

    /// Features `[pictures, embed_dim]`, not normalised, of pictures of `3 * size *
    /// size` values.
    pub(super) fn forward(
        &self,
        parameters: &Parameters,
        pictures: &[&[f32]],
        keep: Keep,
    ) -> Result<(Tensor, VisionTape)> {
        let (count, tokens) = (pictures.len(), self.config.tokens());
        let patches = patches(&self.config, pictures, parameters.device())?;
        let embedded = self.embed(parameters, &patches, count)?;
        let xs = self.ln_pre.forward(parameters, &embedded)?;
        let trains_stem = self.trains_stem(parameters);
        let from = if trains_stem { 0 } else { self.stack.first_trainable(parameters) };
        let class_rows: Vec<u32> = (0..count).map(|item| (item * tokens) as u32).collect();
        let class_rows = Tensor::from_vec(class_rows, count, parameters.device())?;
        let pass = Pass { len: tokens, pooled: &class_rows, from, keep };
        let (pooled, stack) = self.stack.forward(parameters, xs, pass)?;
        let normed = self.ln_post.forward(parameters, &pooled)?;
        let features = self.projection.forward(parameters, &normed, None)?;
        let stem = (trains_stem && keep != Keep::Nothing).then_some((patches, embedded));
        Ok((features, VisionTape { stem, stack, pooled, normed }))
    }

    /// Class token and patches with their positions, `[pictures * tokens, width]`.
    fn embed(&self, parameters: &Parameters, patches: &Tensor, count: usize) -> Result<Tensor> {
        let width = self.config.width;
        let patches = self.conv1.forward(parameters, patches, None)?;
        let patches = patches.reshape((count, self.config.tokens() - 1, width))?;
        let class = parameters.value(self.class_embedding).reshape((1, 1, width))?;
        let xs = Tensor::cat(&[class.expand((count, 1, width))?, patches], 1)?;
        xs.broadcast_add(parameters.value(self.positional_embedding))?.reshape(((), width))
    }

    /// Adds the gradients of the tower's parameters, where `dys` is that of the
    /// features.
    pub(super) fn backward(
        &self,
        parameters: &Parameters,
        gradients: &mut Gradients,
        tape: VisionTape,
        dys: &Tensor,
    ) -> Result<()> {
        let VisionTape { stem, stack, pooled, normed } = tape;
        let d = self.projection.backward(parameters, gradients, &normed, dys)?;
        let d = self.ln_post.backward(parameters, gradients, (&pooled, &d), None)?;
        let d = self.stack.backward(parameters, gradients, stack, d)?;
        let Some((patches, embedded)) = stem else { return Ok(()) };
        let d = self.ln_pre.backward(parameters, gradients, (&embedded, &d), None)?;
        let (tokens, width) = (self.config.tokens(), self.config.width);
        let per_item = d.reshape(((), tokens * width))?;
        let positions = column_sums(&per_item)?.reshape((tokens, width))?;
        // The class token's own gradient is that of its position.
        gradients.add(self.class_embedding, positions.get(0)?)?;
        gradients.add(self.positional_embedding, positions)?;
        let d = per_item.narrow(1, width, (tokens - 1) * width)?.contiguous()?;
        let d = d.reshape(((), width))?;
        self.conv1.backward_parameters(parameters, gradients, &patches, &d)
    }
}
