//! The grammar of `bench`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{RewardArgs, TextOrJson};

/// What to measure.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  hps-loop bench gemm
  hps-loop bench gemm --shape 2056x5120x1280 --precision fast
  hps-loop bench clip --batch 8 --runs 3 --format json
  hps-loop bench score photos/ --reward hps-v2.1 --counts 8,64
  HPS_NN_KERNEL=avx2 hps-loop bench conv

Numbers are medians of several runs after a warm-up. Peak is what the cores reach in registers alone.")]
pub enum Bench {
    /// Matrix products of linear layers
    Gemm {
        /// ROWSxCOLUMNSxINNER, several separated by commas; by default those of ViT-H/14
        #[arg(long, value_name = "SHAPES", value_delimiter = ',', value_parser = dims::<3>)]
        shape: Vec<[usize; 3]>,
        /// How to run.
        #[command(flatten)]
        run: BenchRun,
    },
    /// Convolutions
    Conv {
        /// INxOUTxKERNELxSIDE, several separated by commas; by default those of Stable Diffusion
        #[arg(long, value_name = "SHAPES", value_delimiter = ',', value_parser = dims::<4>)]
        shape: Vec<[usize; 4]>,
        /// How to run.
        #[command(flatten)]
        run: BenchRun,
    },
    /// Scaled dot-product attention
    Attention {
        /// BATCHxHEADSxQUERIESxKEYSxSIZE, several separated by commas
        #[arg(long, value_name = "SHAPES", value_delimiter = ',', value_parser = dims::<5>)]
        shape: Vec<[usize; 5]>,
        /// How to run.
        #[command(flatten)]
        run: BenchRun,
    },
    /// The towers of a CLIP model with made-up weights
    Clip {
        /// Pictures in a forward pass; 0 leaves the image tower out
        #[arg(long, value_name = "N", default_value = "8")]
        batch: usize,
        /// Prompts in a forward pass; 0 leaves the text tower out
        #[arg(long, value_name = "N", default_value = "1")]
        prompts: usize,
        /// The architecture in open_clip's model-config form; by default ViT-H/14
        #[arg(long, value_name = "FILE")]
        arch: Option<PathBuf>,
        /// How to run.
        #[command(flatten)]
        run: BenchRun,
    },
    /// Scoring picture files from start to end
    Score(Box<BenchScore>),
}

/// How a benchmark runs.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchRun {
    /// Precisions, separated by commas
    #[arg(long, value_name = "PRECISIONS", value_delimiter = ',')]
    #[arg(default_value = "f32,accurate,fast")]
    pub precision: Vec<String>,
    /// Runs that count
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: TextOrJson,
}

/// Options of `bench score`.
#[derive(Debug, clap::Args)]
pub struct BenchScore {
    /// Files, globs or folders
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<PathBuf>,
    /// The prompt
    #[arg(long, short, value_name = "PROMPT", default_value = "a photograph")]
    pub prompt: String,
    /// How many pictures to score, several numbers separated by commas; files are repeated
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', default_value = "8,32")]
    #[arg(value_parser = super::at_least_one)]
    pub counts: Vec<usize>,
    /// Times that each count is scored; counts take turns
    #[arg(long, value_name = "N", default_value = "3", value_parser = super::at_least_one)]
    pub rounds: usize,
    /// Pictures in a forward pass
    #[arg(long, value_name = "N", default_value = "8", value_parser = super::at_least_one)]
    pub batch_size: usize,
    /// Options that choose the reward
    #[command(flatten)]
    pub reward: RewardArgs,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: TextOrJson,
}

/// `N` positive numbers with `x` between.
fn dims<const N: usize>(text: &str) -> Result<[usize; N], String> {
    let parse = |part: &str| part.parse().ok().filter(|&size: &usize| size > 0);
    let parts: Option<Vec<usize>> = text.split('x').map(parse).collect();
    let parts = parts.and_then(|parts| <[usize; N]>::try_from(parts).ok());
    parts.ok_or_else(|| format!("expected {N} positive numbers with x between"))
}
