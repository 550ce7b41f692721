//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use hps_core::Seed;
use hps_world::{DEFAULT_SIDE, Split};

/// What to type.
pub const USAGE: &str = "\
usage: world_dataset --out DIR [options]
  --pairs N      preference pairs (0)
  --rankings N   rankings (0)
  --k N          pictures of a ranking, 4 to 8 (4)
  --captions N   pictures with a caption, besides those of pairs (0)
  --split NAME   train, validation or held-out (train)
  --seed N       any number (0)
  --side N       width and height in pixels (64)";

/// What to write where.
#[derive(Clone, Debug)]
pub struct Options {
    /// A new or empty folder.
    pub out: PathBuf,
    /// The number of pairs.
    pub pairs: u64,
    /// The number of rankings.
    pub rankings: u64,
    /// Pictures of a ranking, 4 to 8.
    pub k: usize,
    /// The number of captioned pictures besides those of pairs.
    pub captions: u64,
    /// Where captions are from.
    pub split: Split,
    /// The seed of everything.
    pub seed: Seed,
    /// Width and height in pixels.
    pub side: u32,
}

impl Options {
    /// Reads arguments without the program's name; errors are for people.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options {
            out: PathBuf::new(),
            pairs: 0,
            rankings: 0,
            k: 4,
            captions: 0,
            split: Split::Train,
            seed: Seed(0),
            side: DEFAULT_SIDE,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--out" => options.out = PathBuf::from(value),
                "--pairs" => options.pairs = read(&name, &value)?,
                "--rankings" => options.rankings = read(&name, &value)?,
                "--k" => options.k = read(&name, &value)?,
                "--captions" => options.captions = read(&name, &value)?,
                "--split" => options.split = read(&name, &value)?,
                "--seed" => options.seed = read(&name, &value)?,
                "--side" => options.side = read(&name, &value)?,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        if options.out.as_os_str().is_empty() {
            return Err("--out is missing".to_owned());
        }
        match options.k {
            4..=8 => Ok(options),
            k => Err(format!("--k {k}: a ranking has 4 to 8 pictures")),
        }
    }
}

fn read<T: FromStr<Err: std::fmt::Display>>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|error| format!("{name} {value}: {error}"))
}
