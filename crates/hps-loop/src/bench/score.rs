//! Scoring files from start to end, as the `score` command does.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use hps_core::{Error, ErrorKind, Precision, Prompt, Result};
use hps_reward::decode::DecodeOptions;
use serde::Serialize;

use super::{Machine, median, peak_resident_bytes};
use crate::{ScoreItem, ScorerBuilder, StreamOptions};

/// What is scored.
#[derive(Clone, Debug)]
pub struct ScoreBench {
    /// Pictures, repeated as often as `counts` ask for.
    pub pictures: Vec<PathBuf>,
    /// Numbers of pictures to score, in this order.
    pub counts: Vec<usize>,
    /// Times that each count is scored; the counts take turns.
    pub rounds: usize,
    /// Pictures in one forward pass.
    pub batch_size: usize,
    /// The prompt.
    pub prompt: String,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct ScoreReport {
    /// The benchmark's name.
    pub bench: &'static str,
    /// Where it ran.
    pub machine: Machine,
    /// The precision.
    pub precision: Precision,
    /// Pictures in one forward pass.
    pub batch_size: usize,
    /// Seconds to find and load the weights.
    pub load_s: f64,
    /// Seconds from the beginning of loading to the first score, of one picture.
    pub first_score_s: f64,
    /// One entry per count.
    pub counts: Vec<ScoreCount>,
    /// Largest memory of the process, in bytes; unknown on some systems.
    pub peak_rss_bytes: Option<u64>,
}

/// The speed for one number of pictures.
#[derive(Clone, Debug, Serialize)]
pub struct ScoreCount {
    /// Pictures.
    pub pictures: usize,
    /// Median of the rounds, in seconds.
    pub median_s: f64,
    /// Pictures per second by the median.
    pub images_per_s: f64,
}

/// Loads `scorer` and scores the pictures of `what`, files included.
///
/// # Errors
///
/// When there are no pictures, the weights do not load or a picture cannot be scored;
/// [`ErrorKind::Interrupted`] after `cancel` was set.
pub fn score(
    scorer: ScorerBuilder,
    what: &ScoreBench,
    precision: Precision,
    cancel: &AtomicBool,
) -> Result<ScoreReport> {
    if what.pictures.is_empty() {
        return Err(Error::new(ErrorKind::InvalidConfig, "there are no pictures to score"));
    }
    let begun = Instant::now();
    let scorer = scorer.precision(precision).build()?;
    let load_s = begun.elapsed().as_secs_f64();
    let run = |count: usize| -> Result<f64> {
        let prompt = Prompt::from(what.prompt.as_str());
        let files = what.pictures.iter().cycle().take(count);
        let items: Vec<ScoreItem> =
            files.map(|path| ScoreItem { path: path.clone(), prompt: prompt.clone() }).collect();
        let options = StreamOptions {
            decode: DecodeOptions::default(),
            batch_size: what.batch_size,
            decode_threads: rayon::current_num_threads(),
            cancel,
        };
        let mut failure = None;
        let begun = Instant::now();
        scorer.score_files(&items, &options, |outcome| match outcome.scores {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failure.map_or(Ok(begun.elapsed().as_secs_f64()), Err)
    };
    run(1)?;
    let first_score_s = begun.elapsed().as_secs_f64();
    let mut seconds = vec![Vec::new(); what.counts.len()];
    for _ in 0..what.rounds.max(1) {
        for (seconds, &count) in seconds.iter_mut().zip(&what.counts) {
            seconds.push(run(count)?);
        }
    }
    let counts = seconds.iter_mut().zip(&what.counts).map(|(seconds, &pictures)| {
        let median_s = median(seconds);
        ScoreCount { pictures, median_s, images_per_s: pictures as f64 / median_s }
    });
    Ok(ScoreReport {
        bench: "score",
        machine: Machine::of_process(),
        precision,
        batch_size: what.batch_size,
        load_s,
        first_score_s,
        counts: counts.collect(),
        peak_rss_bytes: peak_resident_bytes(),
    })
}
