//! Scoring files: order, errors, bounds and interruption.

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hps_loop::{
    DecodeOptions, ErrorKind, Image, Precision, Prepared, PreparedPair, Prompt, Result, Reward,
    RewardInfo, Score, ScoreItem, Scorer, StreamOptions,
};
use proptest::prelude::*;

static ALIVE: AtomicUsize = AtomicUsize::new(0);
static MOST_ALIVE: AtomicUsize = AtomicUsize::new(0);

/// A prepared picture that counts how many of its kind there are.
struct Tracked(f32);

impl Tracked {
    fn new(value: f32) -> Self {
        let alive = ALIVE.fetch_add(1, Ordering::SeqCst) + 1;
        MOST_ALIVE.fetch_max(alive, Ordering::SeqCst);
        Tracked(value)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Scores by the first sample.
struct First;

impl Reward for First {
    fn info(&self) -> RewardInfo {
        RewardInfo {
            id: "first".into(),
            weights_sha256: None,
            preprocess: "none".into(),
            precision: Precision::F32,
            kernel: "host".into(),
        }
    }

    fn prepare(&self, image: &Image) -> Result<Prepared> {
        Ok(Prepared::new(Tracked::new(f32::from(image.as_rgb8()[0]))))
    }

    fn score_prepared(&self, batch: &[PreparedPair<'_>]) -> Vec<Result<Score>> {
        batch.iter().map(|pair| Score::new(pair.image.downcast_ref::<Tracked>()?.0)).collect()
    }
}

/// Writes one-pixel pictures of these values; an absent value is a text file.
fn files(folder: &Path, values: &[Option<u8>]) -> Vec<ScoreItem> {
    let write = |(index, value): (usize, &Option<u8>)| -> PathBuf {
        let path = folder.join(format!("{index}.ppm"));
        match value {
            Some(value) => {
                let picture = [b"P6 1 1 255\n".as_slice(), &[*value; 3]].concat();
                std::fs::write(&path, picture).unwrap();
            }
            None => std::fs::write(&path, "no picture").unwrap(),
        }
        path
    };
    let item = |path| ScoreItem { path, prompt: Prompt::from("x") };
    values.iter().enumerate().map(write).map(item).collect()
}

fn options(cancel: &AtomicBool, batch_size: usize, decode_threads: usize) -> StreamOptions<'_> {
    StreamOptions { decode: DecodeOptions::default(), batch_size, decode_threads, cancel }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn outcomes_come_in_order_whatever_the_batches_and_threads(
        values in prop::collection::vec(prop::option::weighted(0.8, any::<u8>()), 0..40),
        batch_size in 0_usize..9,
        threads in 0_usize..5,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let items = files(folder.path(), &values);
        let cancel = AtomicBool::new(false);
        let mut seen = Vec::new();
        Scorer::from_reward(First)
            .score_files(&items, &options(&cancel, batch_size, threads), |outcome| {
                assert_eq!(outcome.index, seen.len());
                seen.push(outcome.scores.ok().map(|scores| scores[0] as u8));
                ControlFlow::Continue(())
            })
            .unwrap();
        prop_assert_eq!(seen, values);
    }
}

#[test]
fn few_pictures_are_held_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let items = files(folder.path(), &[Some(7); 300]);
    let cancel = AtomicBool::new(false);
    let scorer = Scorer::from_reward(First);
    let slow = |_| {
        std::thread::sleep(std::time::Duration::from_micros(200));
        ControlFlow::Continue(())
    };
    scorer.score_files(&items, &options(&cancel, 4, 2), slow).unwrap();
    // A batch, the channel, one per thread; other tests of this file run beside it.
    assert!(MOST_ALIVE.load(Ordering::SeqCst) < 100, "{MOST_ALIVE:?}");
}

#[test]
fn a_stop_keeps_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let items = files(folder.path(), &[Some(1); 50]);
    let cancel = AtomicBool::new(false);
    let mut seen = 0;
    // One reader: with two, a slow first picture may hold back all others until they
    // are scored, and then there is nothing left to stop.
    let error = Scorer::from_reward(First)
        .score_files(&items, &options(&cancel, 2, 1), |_| {
            seen += 1;
            cancel.store(seen >= 10, Ordering::Relaxed);
            ControlFlow::Continue(())
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!((10..50).contains(&seen), "{seen}");
}

#[test]
fn the_sink_can_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let items = files(folder.path(), &[Some(1); 50]);
    let cancel = AtomicBool::new(false);
    let mut seen = 0;
    Scorer::from_reward(First)
        .score_files(&items, &options(&cancel, 1, 2), |_| {
            seen += 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, 3);
}
