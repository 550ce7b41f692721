//! The grammar of `train`.

use std::path::PathBuf;

use super::ReportFormat;

/// Options of `train`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hps-loop train configs/train_hps_v2.toml --set data.train=train.json --set data.images=pictures
  hps-loop train tune.toml --steps 1000 --out runs/first
  hps-loop train tune.toml --set optimiser.learning-rate=1e-5 --set run.seed=2 --out runs/second
  hps-loop score out/*.png --prompt \"a fox\" --reward hps-v2.1 \\
      --weights hps-v2.1=runs/first/best.safetensors

CONFIG is described in configs/train_hps_v2.toml, key by key. Ctrl-C, or even `kill -9`, loses
nothing but the steps since the last checkpoint: the same command goes on there, and ends with the
very weights it would have made without the interruption.

The folder of a run holds best.safetensors and last.safetensors (in the layout of the published
weights), MODEL_CARD.md, metrics.jsonl and tensorboard/.

Exit status: 0 done, 1 done but comparisons were skipped, 2 could not run, 130 interrupted.")]
pub struct Train {
    /// The training file
    #[arg(value_name = "CONFIG")]
    pub file: PathBuf,
    /// Replace a setting of CONFIG
    #[arg(long = "set", value_name = "TABLE.KEY=VALUE")]
    pub settings: Vec<String>,
    /// The folder of the run; by default run.out of CONFIG, or out/train-NAME for NAME.toml
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Steps in all, instead of run.steps or run.epochs
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}
