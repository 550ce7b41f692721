//! The text tower.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};
use hps_clip::TextConfig;

use super::attention::Attention;
use super::block::BlockOptions;
use super::host::on_host;
use super::layer_norm::LayerNorm;
use super::linear::{Linear, column_sums};
use super::parameters::{Gradients, Id, Parameters, host, host_mut};
use super::stack::{Keep, Pass, Stack, StackTape};

/// CLIP's causal text transformer.
#[derive(Clone, Debug)]
pub(super) struct TextTower {
    config: TextConfig,
    token_embedding: Id,
    positional_embedding: Id,
    stack: Stack,
    ln_final: LayerNorm,
    projection: Linear,
}

/// A prompt as the text tower reads it.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    /// Token ids, at most as many as the context length.
    pub ids: &'a [u32],
    /// The position of the end-of-text token, where the features are read.
    pub end: usize,
}

/// What the backward pass needs.
pub(super) struct TextTape {
    /// The ids of all rows; only where embeddings are trained.
    ids: Option<Vec<u32>>,
    len: usize,
    stack: StackTape,
    pooled: Tensor,
    normed: Tensor,
}

impl TextTower {
    pub(super) fn new(parameters: &Parameters, config: &TextConfig) -> Result<Self> {
        let options = BlockOptions {
            attention: Attention { heads: config.heads, causal: true },
            activation: config.activation,
            eps: config.eps,
        };
        let name = "transformer.resblocks";
        Ok(TextTower {
            config: config.clone(),
            token_embedding: parameters.id("token_embedding.weight")?,
            positional_embedding: parameters.id("positional_embedding")?,
            stack: Stack::new(parameters, name, config.layers, options)?,
            ln_final: LayerNorm::new(parameters, "ln_final", config.eps)?,
            projection: Linear::projection(parameters, "text_projection")?,
        })
    }

    fn trains_embeddings(&self, parameters: &Parameters) -> bool {
        parameters.is_trainable(self.token_embedding)
            || parameters.is_trainable(self.positional_embedding)
    }

    /// Whether anything in the tower is trained.
    pub(super) fn is_trainable(&self, parameters: &Parameters) -> bool {
        self.trains_embeddings(parameters)
            || self.stack.first_trainable(parameters) < self.config.layers
            || self.ln_final.is_trainable(parameters)
            || self.projection.is_trainable(parameters)
    }

    /// The ids of every row up to the last end-of-text token of the batch: what
    /// comes later, no earlier row sees.
    fn rows(&self, prompts: &[Tokens<'_>]) -> Result<(Vec<u32>, usize)> {
        let len = prompts.iter().map(|prompt| prompt.end + 1).max().unwrap_or(1);
        let mut ids = Vec::with_capacity(prompts.len() * len);
        for prompt in prompts {
            let wrong = |id: &&u32| **id as usize >= self.config.vocab_size;
            if let Some(id) = prompt.ids.iter().find(wrong) {
                bail!("token {id} of a vocabulary of {}", self.config.vocab_size)
            }
            if prompt.end >= prompt.ids.len() || prompt.ids.len() > self.config.context_length {
                let (count, end) = (prompt.ids.len(), prompt.end);
                bail!("{count} tokens that end at {end}; {} fit", self.config.context_length)
            }
            let padding = std::iter::repeat(&0);
            ids.extend(prompt.ids.iter().chain(padding).take(len));
        }
        Ok((ids, len))
    }

    /// Features `[prompts, embed_dim]`, not normalised.
    pub(super) fn forward(
        &self,
        parameters: &Parameters,
        prompts: &[Tokens<'_>],
        keep: Keep,
    ) -> Result<(Tensor, TextTape)> {
        let (ids, len) = self.rows(prompts)?;
        let (count, device) = (prompts.len(), parameters.device());
        let indices = Tensor::from_slice(&ids, ids.len(), device)?;
        let xs = parameters.value(self.token_embedding).index_select(&indices, 0)?;
        let positions = parameters.value(self.positional_embedding).narrow(0, 0, len)?;
        let xs = xs.reshape((count, len, ()))?.broadcast_add(&positions)?;
        let xs = xs.reshape((count * len, ()))?;
        let trains_embeddings = self.trains_embeddings(parameters);
        let from = if trains_embeddings { 0 } else { self.stack.first_trainable(parameters) };
        let ends =
            prompts.iter().enumerate().map(|(item, prompt)| (item * len + prompt.end) as u32);
        let ends = Tensor::from_vec(ends.collect::<Vec<u32>>(), count, device)?;
        let pass = Pass { len, pooled: &ends, from, keep };
        let (pooled, stack) = self.stack.forward(parameters, xs, pass)?;
        let normed = self.ln_final.forward(parameters, &pooled)?;
        let features = self.projection.forward(parameters, &normed, None)?;
        let ids = trains_embeddings.then_some(ids);
        Ok((features, TextTape { ids, len, stack, pooled, normed }))
    }

    /// Adds the gradients of the tower's parameters, where `dys` is that of the
    /// features.
    pub(super) fn backward(
        &self,
        parameters: &Parameters,
        gradients: &mut Gradients,
        tape: TextTape,
        dys: &Tensor,
    ) -> Result<()> {
        let TextTape { ids, len, stack, pooled, normed } = tape;
        let d = self.projection.backward(parameters, gradients, &normed, dys)?;
        let d = self.ln_final.backward(parameters, gradients, (&pooled, &d), None)?;
        let d = self.stack.backward(parameters, gradients, stack, d)?;
        let Some(ids) = ids else { return Ok(()) };
        let width = self.config.width;
        let positions = column_sums(&d.reshape(((), len * width))?)?.reshape((len, width))?;
        let unread = self.config.context_length - len;
        gradients.add(self.positional_embedding, positions.pad_with_zeros(0, 0, unread)?)?;
        if !gradients.wants(self.token_embedding) {
            return Ok(());
        }
        let embedding = parameters.value(self.token_embedding);
        if on_host(&d) {
            let sum = gradients.sum(self.token_embedding, embedding)?;
            return sum.inplace_op2(&d, &AddRows { ids: &ids, width });
        }
        let indices = Tensor::from_slice(&ids, ids.len(), d.device())?;
        gradients.add(self.token_embedding, embedding.zeros_like()?.index_add(&indices, &d, 0)?)
    }
}

/// `sum[ids[i]] += rows[i]`, in order.
struct AddRows<'a> {
    ids: &'a [u32],
    width: usize,
}

impl InplaceOp2 for AddRows<'_> {
    fn name(&self) -> &'static str {
        "add-rows"
    }

    fn cpu_fwd(
        &self,
        sum: &mut CpuStorage,
        sum_layout: &Layout,
        rows: &CpuStorage,
        rows_layout: &Layout,
    ) -> Result<()> {
        let (sum, rows) = (host_mut(sum, sum_layout)?, host(rows, rows_layout)?);
        for (&id, row) in self.ids.iter().zip(rows.chunks_exact(self.width.max(1))) {
            let start = id as usize * self.width;
            let Some(sum) = sum.get_mut(start..start + self.width) else {
                bail!("there is no row {id}")
            };
            sum.iter_mut().zip(row).for_each(|(a, b)| *a += b);
        }
        Ok(())
    }
}
