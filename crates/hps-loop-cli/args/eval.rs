//! The grammar of `eval`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::RewardArgs;

/// Options of `eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hps-loop eval test.json --images pictures/ --reward hps-v2.1
  hps-loop eval test.json --images pictures/ --reward hps-v2.1 --reward clip-score
  hps-loop eval test.json --images pictures/ --reward hps-v2.1 --scores scores.jsonl
  hps-loop eval test.json --images pictures/ --reward hps-v2.0 --reward hps-v2.1 \\
      --weights hps-v2.1=tuned.safetensors --format json

FILE is as in `data check`. With --scores, what is interrupted goes on where it was when the same
command is typed again. Intervals are 95 % bootstrap intervals over prompts.

Metrics: `hpd` is 1 minus the share of inverted pairs, the mean over prompts, as in HPS v2.
`imagereward` counts the pairs that people order: the mean over prompts (macro) as HPS v2 reports
it, and over all pairs together (micro) as ImageReward does.")]
pub struct Eval {
    /// The file of comparisons
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The folder that the picture names in FILE are relative to
    #[arg(long, value_name = "DIR")]
    pub images: PathBuf,
    /// The reward; repeat it to compare several
    #[arg(long, short, value_name = "REWARD", required = true, help_heading = "Reward")]
    pub reward: Vec<String>,
    /// Local weights of a reward: hps-v2.1=/path/file.safetensors
    #[arg(long, value_name = "REWARD=MODEL", help_heading = "Reward")]
    pub weights: Vec<String>,
    /// The architecture in open_clip's model-config form, where the weights are unusual
    #[arg(long, value_name = "[REWARD=]FILE", help_heading = "Reward")]
    pub arch: Vec<String>,
    /// How the HPS rewards resize: antialias, or no-antialias as in the paper
    #[arg(long, value_name = "POLICY", help_heading = "Reward")]
    pub preprocess: Option<String>,
    /// Which accuracy; by default that of the file's origin
    #[arg(long, value_name = "METRIC", help_heading = "Evaluation")]
    pub metric: Option<EvalMetric>,
    /// Keep scores in this file, and use those that are there
    #[arg(long, value_name = "FILE", help_heading = "Evaluation")]
    pub scores: Option<PathBuf>,
    /// Bootstrap resamples and sign flips; 0 leaves out intervals and p-values
    #[arg(long, value_name = "N", default_value_t = 10_000, help_heading = "Evaluation")]
    pub resamples: usize,
    /// The seed of the resamples
    #[arg(long, value_name = "SEED", default_value_t = 0, help_heading = "Evaluation")]
    pub seed: u64,
    /// The format of FILE: hpd-train, hpd-test, image-reward or plain; by default its content decides
    #[arg(long, value_name = "FORMAT", help_heading = "Evaluation")]
    pub data_format: Option<String>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub format: EvalFormat,
    /// The arithmetic: accurate (the default, as exact as f32), fast (bf16 products) or f32
    #[arg(long, value_name = "PRECISION", help_heading = "Performance")]
    pub precision: Option<String>,
    /// Where models run: cpu, cuda, cuda:N or metal
    #[arg(long, value_name = "DEVICE", help_heading = "Performance")]
    pub device: Option<String>,
    /// Pictures in one forward pass; changes no score
    #[arg(long, value_name = "N", help_heading = "Performance")]
    pub batch_size: Option<usize>,
}

impl Eval {
    /// The options that rewards share, without the rewards.
    pub fn reward_args(&self) -> RewardArgs {
        RewardArgs {
            reward: None,
            weights: self.weights.clone(),
            arch: self.arch.clone(),
            combine: None,
            preprocess: self.preprocess.clone(),
            precision: self.precision.clone(),
            device: self.device.clone(),
        }
    }
}

/// Which accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EvalMetric {
    /// HPD v2's: 1 minus the share of inverted pairs.
    Hpd,
    /// ImageReward's: the share of strictly ordered pairs.
    #[value(name = "imagereward")]
    ImageReward,
}

/// How `eval` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EvalFormat {
    /// For people: in percent.
    Text,
    /// One object with everything.
    Json,
    /// One number a line, with what it is about.
    Csv,
}
