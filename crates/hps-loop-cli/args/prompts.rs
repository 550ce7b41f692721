//! The grammar of `prompts`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::TextOrJson;
#[cfg(feature = "endpoint")]
use super::at_least_one;

/// What to do with prompts.
#[derive(Debug, Subcommand)]
pub enum Prompts {
    /// Which words are more common than in plain captions
    Stats(Box<PromptsStats>),
    /// Take out words that say nothing about the picture
    Clean(Box<PromptsClean>),
}

/// How prompts are read.
#[derive(Clone, Debug, clap::Args)]
pub struct PromptInput {
    /// What FILE is: text (one a line), json (a list), jsonl or csv; by default its ending says
    #[arg(long, value_name = "FORMAT", help_heading = "Input")]
    pub input_format: Option<String>,
    /// The field of objects and the column of CSV that hold the prompt
    #[arg(long, value_name = "NAME", default_value = "prompt", help_heading = "Input")]
    pub column: String,
}

/// Options of `prompts stats`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hps-loop prompts stats prompts.txt
  hps-loop prompts stats prompts.csv --column caption --top 100 --format csv > words.csv
  hps-loop prompts stats generated.jsonl --against captions.txt

Words are compared by log-odds with an informative Dirichlet prior (Monroe et al. 2008). z says how
sure a difference is: beyond 2 chance is a poor explanation. The plain captions are 800 of COCO
Captions (CC BY 4.0) unless --against names others.

Exit status: 0 all fine, 1 some lines are no prompts.")]
pub struct PromptsStats {
    /// The prompts; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Compare with the plain text in this file
    #[arg(long, value_name = "PLAIN")]
    pub against: Option<PathBuf>,
    /// The longest n-gram in words
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub words: u8,
    /// Fewest occurrences in the prompts
    #[arg(long, value_name = "N", default_value = "2")]
    pub min_count: u64,
    /// Strength of the prior in words
    #[arg(long, value_name = "WORDS", default_value = "500", value_parser = positive)]
    pub prior: f64,
    /// How prompts are read.
    #[command(flatten)]
    pub input: PromptInput,
    /// What comes first
    #[arg(long, value_name = "ORDER", default_value = "z", help_heading = "Output")]
    pub sort: StatsSort,
    /// Print the first K n-grams; 0 prints all
    #[arg(long, value_name = "K", default_value = "30", help_heading = "Output")]
    pub top: usize,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    pub format: StatsFormat,
}

/// What comes first in `prompts stats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsSort {
    /// The surest difference.
    Z,
    /// The largest difference.
    LogOdds,
    /// The most common.
    Count,
}

/// How `prompts stats` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// For people.
    Table,
    /// One object with totals and n-grams.
    Json,
    /// One n-gram a line, with a header.
    Csv,
}

/// Options of `prompts clean`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hps-loop prompts clean prompts.txt --out clean.jsonl
  hps-loop prompts clean prompts.txt > clean.jsonl
  hps-loop prompts clean prompts.txt --keep artist,lighting --out clean.jsonl
  hps-loop prompts clean --list-rules
  hps-loop prompts clean prompts.txt --out clean.jsonl --endpoint https://api.openai.com/v1 \\
      --model gpt-4o-mini --max-tokens-total 500000        # again to go on

Rules take out weights and flags ((word:1.2), <lora:x:1>, --ar 16:9), quality words (masterpiece,
highly detailed, 8k), sites and software (trending on artstation, octane render), stock phrases of
lighting and cameras as parts of their own (dramatic lighting, f/1.8), and known artists after
\"by\" or \"in the style of\"; --list-rules shows each with an example. What a rule does not know
stays, and a prompt without such words stays as it is, byte for byte.

A line of the result is {\"index\", \"line\", \"prompt\", \"original\", \"method\", \"rules\" or \"usage\"}, or
has {\"error\"} in place of the prompt. With --out the same command goes on after a stop. Words are
counted before and after at the end.

Exit status: 0 all fine, 1 some prompts failed or are left, 2 could not run, 130 interrupted.")]
pub struct PromptsClean {
    /// The prompts; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "list_rules")]
    pub file: Option<PathBuf>,
    /// How prompts are read.
    #[command(flatten)]
    pub input: PromptInput,
    /// Leave rules or categories out, separated by commas: artist, camera, lighting, quality, ...
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Rules")]
    pub keep: Vec<String>,
    /// Use the rules in this TOML file; `--list-rules --toml` prints the bundled ones
    #[arg(long, value_name = "FILE", help_heading = "Rules")]
    pub rules: Option<PathBuf>,
    /// Print the rules, each with an example
    #[arg(long, conflicts_with_all = ["file", "out"], help_heading = "Rules")]
    pub list_rules: bool,
    /// Options of a chat model.
    #[cfg(feature = "endpoint")]
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Write results to this JSONL file; by default to standard output
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Start again instead of going on with the file
    #[arg(long, requires = "out", help_heading = "Output")]
    pub overwrite: bool,
    /// Try again what failed before
    #[arg(long, requires = "out", conflicts_with = "overwrite", help_heading = "Output")]
    pub retry_failed: bool,
    /// Count the K most over-represented n-grams before and after
    #[arg(long, value_name = "K", default_value = "20", help_heading = "Output")]
    pub top: usize,
    /// How to print the counts, or the rules
    #[arg(long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    pub format: TextOrJson,
    /// Print the rules' own file, as a start for --rules
    #[arg(long, requires = "list_rules", help_heading = "Rules")]
    pub toml: bool,
}

/// Options of a chat model.
#[cfg(feature = "endpoint")]
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Rewriting by a chat model")]
pub struct EndpointArgs {
    /// Have an OpenAI-compatible endpoint rewrite prompts: https://api.openai.com/v1
    #[arg(long, value_name = "URL", requires_all = ["model", "out"])]
    #[arg(conflicts_with_all = ["keep", "rules", "list_rules"])]
    pub endpoint: Option<String>,
    /// The model's name at the endpoint
    #[arg(long, value_name = "NAME", requires = "endpoint")]
    pub model: Option<String>,
    /// The environment variable with the key; by default HPS_LOOP_API_KEY, if it is set
    #[arg(long, value_name = "VARIABLE", requires = "endpoint")]
    pub api_key_env: Option<String>,
    /// What to tell the model instead of the usual instruction
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    pub instruction: Option<PathBuf>,
    /// JSON to merge into requests; null takes a field out: '{"temperature": null}'
    #[arg(long, value_name = "JSON", requires = "endpoint")]
    pub request: Option<String>,
    /// Requests at the same time
    #[arg(long, value_name = "N", default_value = "4", value_parser = at_least_one)]
    pub concurrency: usize,
    /// Longest wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = positive)]
    pub timeout: f64,
    /// Tries after one that failed and may pass (429, 5xx, broken connections)
    #[arg(long, value_name = "N", default_value = "5")]
    pub retries: u32,
    /// Begin no more requests after so many tokens, those in FILE included
    #[arg(long, value_name = "N", requires = "endpoint")]
    pub max_tokens_total: Option<u64>,
    /// Price of a million tokens sent, to print the cost
    #[arg(long, value_name = "PRICE", requires_all = ["endpoint", "output_price"])]
    #[arg(value_parser = positive)]
    pub input_price: Option<f64>,
    /// Price of a million tokens received
    #[arg(long, value_name = "PRICE", requires_all = ["endpoint", "input_price"])]
    #[arg(value_parser = positive)]
    pub output_price: Option<f64>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("must be a number above 0".to_owned()),
    }
}
