//! The grammar of `data`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// What to do with preference data.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// Count what is in a file of comparisons, and what is wrong with it
    Check(DataCheck),
}

/// Options of `data check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hps-loop data check train.json --images pictures/
  hps-loop data check test.json --images pictures/ --decode all --max-broken 0.01
  hps-loop data check pairs.jsonl --images . --format json > report.json

Understood are train.json and test.json of HPD v2, test.json of ImageReward, and JSON lines such as
  {\"prompt\": \"a fox\", \"images\": [\"a.png\", \"b.png\"], \"label\": [1, 0]}
  {\"prompt\": \"a fox\", \"images\": [\"a.png\", \"b.png\", \"c.png\"], \"rank\": [1, 2, 2]}

Exit status: 0 nothing is broken, 1 some items are, 3 more than --max-broken. With --max-broken,
fewer broken items are no failure.")]
pub struct DataCheck {
    /// The file of comparisons
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The folder that the picture names in FILE are relative to
    #[arg(long, value_name = "DIR")]
    pub images: PathBuf,
    /// How closely to look at pictures
    #[arg(long, value_name = "DEPTH", default_value = "headers")]
    pub decode: Depth,
    /// Exit with 3 if a larger share of the items is broken, from 0 to 1
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    pub max_broken: Option<f64>,
    /// The format of FILE: hpd-train, hpd-test, image-reward or plain; by default its content decides
    #[arg(long, value_name = "FORMAT")]
    pub data_format: Option<String>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}

/// How closely to look at pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Depth {
    /// Decode every picture.
    All,
    /// Read the first bytes: is it a picture at all?
    Headers,
    /// Only look whether the files exist.
    None,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// One object.
    Json,
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}
