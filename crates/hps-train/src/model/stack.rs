//! The blocks of a tower, one after the other.

use candle_core::{Result, Tensor};

use super::block::{Block, BlockOptions, BlockTape};
use super::parameters::{Gradients, Parameters};
use super::rows::Kept;

/// All blocks of a tower.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    blocks: Vec<Block>,
}

/// How a stack runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass<'a> {
    /// Rows per sequence.
    pub(super) len: usize,
    /// The rows of the last block's result that are wanted.
    pub(super) pooled: &'a Tensor,
    /// The first block whose gradients are wanted; the blocks before it run without
    /// keeping anything.
    pub(super) from: usize,
    pub(super) keep: Keep,
}

/// What is kept of each block for the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing: there will be none.
    Nothing,
    /// The input, from which the rest is computed again.
    Inputs,
    /// All intermediate results.
    Everything,
}

/// What the backward pass of a stack needs.
pub(super) struct StackTape {
    kept: Vec<Entry>,
    from: usize,
    len: usize,
    pooled: Tensor,
}

/// What is kept of a block.
enum Entry {
    Everything(Box<BlockTape>),
    Input(Tensor),
}

impl Stack {
    /// The blocks `name.0`, `name.1`, ….
    pub(super) fn new(
        parameters: &Parameters,
        name: &str,
        layers: usize,
        options: BlockOptions,
    ) -> Result<Self> {
        let block = |index| Block::new(parameters, &format!("{name}.{index}"), options);
        Ok(Stack { blocks: (0..layers).map(block).collect::<Result<_>>()? })
    }

    /// The first block with a tensor that is trained; the number of blocks if there
    /// is none.
    pub(super) fn first_trainable(&self, parameters: &Parameters) -> usize {
        let trained = |block: &Block| block.is_trainable(parameters);
        self.blocks.iter().position(trained).unwrap_or(self.blocks.len())
    }

    fn kept<'a>(&self, index: usize, pooled: &'a Tensor) -> Kept<'a> {
        if index + 1 == self.blocks.len() { Kept::Rows(pooled) } else { Kept::All }
    }

    /// `xs: [items * len, width]` to the pooled rows `[items, width]`.
    pub(super) fn forward(
        &self,
        parameters: &Parameters,
        mut xs: Tensor,
        pass: Pass<'_>,
    ) -> Result<(Tensor, StackTape)> {
        let mut kept = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let rows = self.kept(index, pass.pooled);
            let (ys, tape) = block.forward(parameters, &xs, pass.len, rows)?;
            match pass.keep {
                Keep::Inputs if index >= pass.from => kept.push(Entry::Input(xs)),
                Keep::Everything if index >= pass.from => {
                    kept.push(Entry::Everything(Box::new(tape)));
                }
                _ => {}
            }
            xs = ys;
        }
        if self.blocks.is_empty() {
            xs = Kept::Rows(pass.pooled).take(&xs)?;
        }
        let Pass { from, len, pooled, .. } = pass;
        Ok((xs, StackTape { kept, from, len, pooled: pooled.clone() }))
    }

    /// Adds the gradients of all blocks from the first one on that is trained, where
    /// `dys` is that of the pooled rows, and returns that of this block's input.
    pub(super) fn backward(
        &self,
        parameters: &Parameters,
        gradients: &mut Gradients,
        tape: StackTape,
        mut dys: Tensor,
    ) -> Result<Tensor> {
        let StackTape { kept, from, len, pooled } = tape;
        let blocks = self.blocks.iter().enumerate().skip(from);
        for ((index, block), entry) in blocks.zip(kept).rev() {
            let rows = self.kept(index, &pooled);
            let tape = match entry {
                Entry::Everything(tape) => *tape,
                Entry::Input(xs) => block.forward(parameters, &xs, len, rows)?.1,
            };
            dys = block.backward(parameters, gradients, tape, (&dys, len, rows))?;
        }
        Ok(dys)
    }
}
