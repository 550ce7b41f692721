//! The command line's grammar, and nothing else. Comments of options are their help.

// Help texts use <> and [] for what the user fills in, not for HTML and links.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]

mod bench;
mod data;
mod eval;
mod prompts;
mod train;

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use bench::{Bench, BenchRun, BenchScore};
pub use data::{Data, DataCheck, Depth, ReportFormat};
pub use eval::{Eval, EvalFormat, EvalMetric};
#[cfg(feature = "endpoint")]
pub use prompts::EndpointArgs;
pub use prompts::{PromptInput, Prompts, PromptsClean, PromptsStats, StatsFormat, StatsSort};
pub use train::Train;

/// Generate images from text, score every one with HPS v2, keep the best.
#[derive(Debug, Parser)]
#[command(name = "hps-loop", version, about, max_term_width = 100)]
#[command(after_help = "\
Examples:
  hps-loop generate \"a red fox in the snow\" --best-of 8
  hps-loop score out/*.png --prompt \"a red fox in the snow\" --reward hps-v2.1
  hps-loop models list
  hps-loop doctor

Exit status: 0 all fine, 1 some items failed, 2 could not run, 3 a gate failed, 130 interrupted.")]
pub struct Args {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Read this configuration file besides ./hps-loop.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Show more messages; twice for debugging
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Show errors only, and no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Threads to compute and decode with; 0 means all cores
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Never use the network; models must be local or cached
    #[arg(long, global = true)]
    pub offline: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Draw pictures of a prompt, score them, keep the best
    Generate(Box<Generate>),
    /// Score pictures by a prompt
    Score(Box<Score>),
    /// How often rewards agree with people, on a file of comparisons
    Eval(Box<Eval>),
    /// Train a reward on people's choices between pictures
    Train(Box<Train>),
    /// Look at preference data
    Data {
        /// What to do with the data.
        #[command(subcommand)]
        command: Data,
    },
    /// Find style words in prompts, and take them out
    Prompts {
        /// What to do with prompts.
        #[command(subcommand)]
        command: Prompts,
    },
    /// List, download and verify models
    Models {
        /// What to do with models.
        #[command(subcommand)]
        command: Models,
    },
    /// Show the configuration and where each value comes from
    Config {
        /// What to do with the configuration.
        #[command(subcommand)]
        command: Config,
    },
    /// Measure the arithmetic of this machine
    Bench {
        /// What to measure.
        #[command(subcommand)]
        command: Bench,
    },
    /// Check this machine: device, kernels, memory, models
    Doctor {
        /// How to print
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: TextOrJson,
    },
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  hps-loop completions bash > ~/.local/share/bash-completion/completions/hps-loop
  hps-loop completions zsh > ~/.zfunc/_hps-loop
  hps-loop completions fish > ~/.config/fish/completions/hps-loop.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Options of `generate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hps-loop generate \"a red fox in the snow\" --best-of 8
  hps-loop generate \"a red fox\" --best-of 8 --model sd-turbo --reward hps-v2.1 --top 3 --out out/fox
  hps-loop generate --prompts prompts.txt --best-of 4 --out out/all
  hps-loop generate \"a red fox\" --best-of 16 --out out/fox --resume    # eight more

The folder gets best.png, the pictures in rank order (01.png, 02.png, ...), candidates.jsonl and
run.json. The same seed gives the same bytes.")]
pub struct Generate {
    /// What to draw; several prompts get a folder each
    #[arg(value_name = "PROMPT", required_unless_present = "prompts")]
    pub prompt: Vec<String>,
    /// Read more prompts from FILE, one a line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Draw N candidates per prompt and rank them
    #[arg(long, short = 'n', value_name = "N")]
    pub best_of: Option<u32>,
    /// Keep only the K best pictures of each prompt
    #[arg(long, value_name = "K", value_parser = at_least_one)]
    pub top: Option<usize>,
    /// The generator: a diffusers folder, bundled:NAME, hub:OWNER/NAME or a name of `models list`
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<String>,
    /// Options that choose the reward
    #[command(flatten)]
    pub reward: RewardArgs,
    /// The seed of all randomness
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Denoising steps
    #[arg(long, visible_alias = "steps", value_name = "N", help_heading = "Sampling")]
    pub num_inference_steps: Option<u32>,
    /// Classifier-free guidance; up to 1 turns it off
    #[arg(long, value_name = "W", allow_negative_numbers = true, help_heading = "Sampling")]
    pub guidance_scale: Option<f32>,
    /// What to steer away from
    #[arg(long, value_name = "PROMPT", help_heading = "Sampling")]
    pub negative_prompt: Option<String>,
    /// The sampler: ddim or euler; by default the model's own
    #[arg(long, value_name = "NAME", help_heading = "Sampling")]
    pub scheduler: Option<String>,
    /// Stochasticity of ddim, from 0 to 1
    #[arg(long, value_name = "ETA", allow_negative_numbers = true, help_heading = "Sampling")]
    pub eta: Option<f32>,
    /// Width in pixels
    #[arg(long, value_name = "PX", help_heading = "Sampling")]
    pub width: Option<u32>,
    /// Height in pixels
    #[arg(long, value_name = "PX", help_heading = "Sampling")]
    pub height: Option<u32>,
    /// Where to write; by default out/<UTC time>-<prompt>
    #[arg(long, short, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Go on with the run in the folder
    #[arg(long, requires = "out", conflicts_with = "overwrite", help_heading = "Output")]
    pub resume: bool,
    /// Replace the run in the folder
    #[arg(long, requires = "out", help_heading = "Output")]
    pub overwrite: bool,
    /// How to print the ranked candidates
    #[arg(long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    pub format: GenerateFormat,
    /// Candidates in one forward pass; changes no picture
    #[arg(long, value_name = "N", help_heading = "Performance")]
    pub batch_size: Option<usize>,
}

/// Options that choose and load rewards.
#[derive(Debug, Clone, clap::Args)]
pub struct RewardArgs {
    /// The reward, or several with weights: hps-v2.1=1,pickscore=0.5
    #[arg(long, short, value_name = "REWARD", help_heading = "Reward")]
    pub reward: Option<String>,
    /// Local weights of a reward: hps-v2.1=/path/file.safetensors
    #[arg(long, value_name = "REWARD=MODEL", help_heading = "Reward")]
    pub weights: Vec<String>,
    /// The architecture in open_clip's model-config form, where the weights are unusual
    #[arg(long, value_name = "[REWARD=]FILE", help_heading = "Reward")]
    pub arch: Vec<String>,
    /// How several rewards become one: sum, zscore, rank or min
    #[arg(long, value_name = "METHOD", help_heading = "Reward")]
    pub combine: Option<String>,
    /// How the HPS rewards resize: antialias, or no-antialias as in the paper
    #[arg(long, value_name = "POLICY", help_heading = "Reward")]
    pub preprocess: Option<String>,
    /// The arithmetic: accurate (the default, as exact as f32), fast (bf16 products) or f32
    #[arg(long, value_name = "PRECISION", help_heading = "Performance")]
    pub precision: Option<String>,
    /// Where models run: cpu, cuda, cuda:N or metal
    #[arg(long, value_name = "DEVICE", help_heading = "Performance")]
    pub device: Option<String>,
}

/// Options of `score`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hps-loop score out/*.png --prompt \"a red fox in the snow\" --reward hps-v2.1
  hps-loop score pictures/ --prompt \"a red fox\" --reward hps-v2.1 --top 3
  hps-loop score --pairs pairs.jsonl --reward hps-v2.1 --format csv > scores.csv
  find . -name '*.jpg' | hps-loop score - --prompt \"a red fox\" --reward hps-v2.1 --format jsonl

A line of the --pairs file is {\"image\": \"a.png\", \"prompt\": \"a red fox\"}. Scores are raw cosines
in data formats and times 100 in tables. They compare only between pictures of one prompt.")]
pub struct Score {
    /// Files, globs or folders; `-` reads names from standard input, one a line
    #[arg(value_name = "IMAGE", required_unless_present = "pairs")]
    pub images: Vec<PathBuf>,
    /// The prompt that all IMAGEs are scored by
    #[arg(long, short, value_name = "PROMPT", required_unless_present = "pairs")]
    pub prompt: Option<String>,
    /// Score the pairs of a JSONL file; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images", "prompt"])]
    pub pairs: Option<PathBuf>,
    /// Options that choose the reward
    #[command(flatten)]
    pub reward: RewardArgs,
    /// How to print
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<ScoreFormat>,
    /// Print only the K best of each prompt, best first
    #[arg(long, value_name = "K", value_parser = at_least_one, help_heading = "Output")]
    pub top: Option<usize>,
    /// Exit with 3 if any raw score is below S
    #[arg(long, value_name = "S", value_parser = finite, allow_negative_numbers = true)]
    #[arg(help_heading = "Output")]
    pub threshold: Option<f32>,
    /// Turn pictures as their EXIF orientation says
    #[arg(long, help_heading = "Reading pictures")]
    pub apply_orientation: bool,
    /// Put transparent pictures on this colour (#rrggbb, white or black) instead of dropping alpha
    #[arg(long, value_name = "COLOUR", help_heading = "Reading pictures")]
    pub background: Option<String>,
    /// Pictures in one forward pass; changes no score
    #[arg(long, value_name = "N", help_heading = "Performance")]
    pub batch_size: Option<usize>,
}

/// How `score` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScoreFormat {
    /// For people: scores of cosine rewards times 100.
    Table,
    /// One object with the reward and all results.
    Json,
    /// One result a line; with one reward and without --top as soon as it is known.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

/// How `generate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GenerateFormat {
    /// For people.
    Table,
    /// One object with the ranked candidates of every prompt.
    Json,
}

/// How other commands print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people.
    Table,
    /// One object.
    Json,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// List the known models, their files, sizes and licences
    List {
        /// How to print
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: TextOrJson,
    },
    /// Download models into the hub cache; partial downloads go on where they stopped
    #[command(after_help = "\
Examples:
  hps-loop models pull hps-v2.1 sd-turbo
  hps-loop models pull hub:xswu/HPSv2/HPS_v2.1_compressed.pt

HF_ENDPOINT, HF_HOME, HF_HUB_CACHE and HF_TOKEN work as for the Python package.")]
    Pull {
        /// Names of `models list`, or hub:OWNER/NAME[@REV]/FILE
        #[arg(value_name = "MODEL", required = true)]
        models: Vec<String>,
    },
    /// Read models completely and check digests, names and shapes of their tensors
    Verify {
        /// Paths, bundled:NAME, hub references or names of `models list`
        #[arg(value_name = "MODEL", required = true)]
        models: Vec<String>,
        /// Check against this reward's architecture
        #[arg(long, value_name = "REWARD")]
        reward: Option<String>,
        /// The architecture in open_clip's model-config form
        #[arg(long, value_name = "FILE")]
        arch: Option<PathBuf>,
    },
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print every value and its source
    Show {
        /// How to print
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: TextOrJson,
    },
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("must be a whole number".to_owned()),
    }
}

fn finite(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("must be a number".to_owned()),
    }
}
