//! The scores of all pictures of a set of comparisons.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use hps_core::{Error, ErrorKind, Result, RewardInfo};
use hps_train::data::Dataset;
use hps_train::eval::RewardScores;

use super::cache::{ItemKey, RewardKey, ScoreCache};
use crate::data::require_folder;
use crate::scorer::Scorer;
use crate::stream::{ScoreItem, StreamOptions};

/// How [`score_dataset`] works.
#[derive(Clone, Copy, Debug)]
pub struct ScoreDatasetOptions<'a> {
    /// The folder that picture names are relative to.
    pub images: &'a Path,
    /// How files are read and scored.
    pub stream: StreamOptions<'a>,
}

/// What one reward says about a set of comparisons.
#[derive(Debug)]
pub struct DatasetScores {
    /// The reward.
    pub info: RewardInfo,
    /// Its scores, for [`evaluate`](super::evaluate).
    pub scores: RewardScores,
    /// Pictures that could not be scored, in file order.
    pub failures: Vec<ImageFailure>,
    /// Scores that were made.
    pub scored: usize,
    /// Scores that were in the cache.
    pub reused: usize,
}

/// A picture that could not be scored.
#[derive(Debug)]
pub struct ImageFailure {
    /// The picture's name in the data.
    pub image: Arc<str>,
    /// Why.
    pub error: Error,
}

/// A picture by its name in the data, and the prompt it is scored by.
type Place = (Arc<str>, hps_core::Prompt);

/// Scores every picture of `data` by its prompt, each pair of them once.
///
/// `progress` is called with the number of pairs that are done and of all, once at the
/// start and then after each. A picture that cannot be scored is a failure and leaves
/// the others alone. Scores are in `cache` as soon as they are made, so that whoever
/// is interrupted goes on with the same call.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] for a scorer of several rewards,
/// [`ErrorKind::NotFound`] when the folder does not exist, [`ErrorKind::Interrupted`]
/// after a stop was asked for, and those of writing to the cache.
pub fn score_dataset(
    scorer: &Scorer,
    data: &Dataset,
    options: &ScoreDatasetOptions<'_>,
    mut cache: Option<&mut ScoreCache>,
    mut progress: impl FnMut(usize, usize),
) -> Result<DatasetScores> {
    if !scorer.is_single() {
        return Err(Error::new(ErrorKind::InvalidConfig, "a combined reward cannot be evaluated")
            .with_hint("Name each reward with a `--reward` of its own, without a weight."));
    }
    require_folder(options.images)?;
    let info = first(scorer.infos(cache.is_some())?)?;
    let reward = RewardKey::of(&info);
    let mut table = Table::new(data);
    let mut open = Vec::new();
    for index in 0..table.places.len() {
        let key = cache.as_ref().and_then(|_| table.key(index, options.images));
        let known = key.as_ref().and_then(|key| cache.as_ref()?.get(&reward, key));
        match known {
            Some(score) => table.scores[index] = Some(score),
            None => open.push((index, key)),
        }
    }
    let (all, reused) = (table.places.len(), table.places.len() - open.len());
    progress(reused, all);
    let items: Vec<ScoreItem> =
        open.iter().map(|(index, _)| table.item(*index, options.images)).collect();
    let mut failures = Vec::new();
    let mut written = Ok(());
    let done = scorer.score_files(&items, &options.stream, |outcome| {
        let Some((place, key)) = open.get_mut(outcome.index) else {
            return ControlFlow::Break(());
        };
        match outcome.scores.and_then(first) {
            Ok(score) => {
                table.scores[*place] = Some(score);
                if let (Some(cache), Some(key)) = (cache.as_deref_mut(), key.take()) {
                    written = cache.add(&reward, key, score);
                }
            }
            Err(error) => {
                failures.push(ImageFailure { image: Arc::clone(&table.places[*place].0), error });
            }
        }
        progress(reused + outcome.index + 1, all);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    written?;
    done?;
    let scored = items.len() - failures.len();
    let scores = RewardScores { reward: info.id.clone(), scores: table.by_comparison(data) };
    let info = first(scorer.infos(true)?)?;
    Ok(DatasetScores { info, scores, failures, scored, reused })
}

/// The different pairs of picture and prompt, and their scores.
struct Table {
    places: Vec<Place>,
    index: HashMap<Place, usize>,
    scores: Vec<Option<f32>>,
}

impl Table {
    fn new(data: &Dataset) -> Self {
        let (mut places, mut index): (Vec<Place>, _) = (Vec::new(), HashMap::new());
        for comparison in &data.comparisons {
            for image in &comparison.images {
                let place = (Arc::clone(image), comparison.prompt.clone());
                index.entry(place.clone()).or_insert_with(|| {
                    places.push(place);
                    places.len() - 1
                });
            }
        }
        let scores = vec![None; places.len()];
        Table { places, index, scores }
    }

    fn item(&self, index: usize, folder: &Path) -> ScoreItem {
        let (image, prompt) = &self.places[index];
        ScoreItem { path: folder.join(&**image), prompt: prompt.clone() }
    }

    /// `None` for a file that cannot be looked at.
    fn key(&self, index: usize, folder: &Path) -> Option<ItemKey> {
        let (image, prompt) = &self.places[index];
        ItemKey::of(&folder.join(&**image), image, prompt.as_str())
    }

    fn by_comparison(&self, data: &Dataset) -> Vec<Option<Vec<f32>>> {
        let score = |image: &Arc<str>, prompt: &hps_core::Prompt| {
            let place = self.index.get(&(Arc::clone(image), prompt.clone()))?;
            self.scores.get(*place).copied().flatten()
        };
        let comparisons = data.comparisons.iter();
        comparisons
            .map(|c| c.images.iter().map(|image| score(image, &c.prompt)).collect())
            .collect()
    }
}

fn first<T>(list: Vec<T>) -> Result<T> {
    list.into_iter()
        .next()
        .ok_or_else(|| Error::new(ErrorKind::Model, "the reward returned too few scores"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use hps_core::{Image, Precision, Prepared, PreparedPair, Reward, Score};
    use hps_reward::decode::DecodeOptions;
    use hps_train::data::ReadOptions;

    use super::*;

    /// Scores by the red of the first pixel and counts.
    #[derive(Default)]
    struct Red(Arc<AtomicUsize>);

    impl Reward for Red {
        fn info(&self) -> RewardInfo {
            RewardInfo {
                id: "red".to_owned(),
                weights_sha256: None,
                preprocess: "none".to_owned(),
                precision: Precision::F32,
                kernel: "host".to_owned(),
            }
        }

        fn prepare(&self, image: &Image) -> Result<Prepared> {
            Ok(Prepared::new(f32::from(image.as_rgb8()[0])))
        }

        fn score_prepared(&self, batch: &[PreparedPair<'_>]) -> Vec<Result<Score>> {
            self.0.fetch_add(batch.len(), Ordering::Relaxed);
            batch.iter().map(|pair| Score::new(*pair.image.downcast_ref::<f32>()?)).collect()
        }
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for red in 1..5u8 {
            let file = [&b"P6 1 1 255\n"[..], &[red, 0, 0]].concat();
            std::fs::write(dir.path().join(format!("{red}.ppm")), file).unwrap();
        }
        std::fs::write(dir.path().join("bad.ppm"), "text").unwrap();
        dir
    }

    fn data() -> Dataset {
        let item = |images: [&str; 2]| {
            let [a, b] = images;
            format!(
                "{{\"prompt\": \"p\", \"images\": [\"{a}.ppm\", \"{b}.ppm\"], \"rank\": [1, 2]}}"
            )
        };
        let items = [["2", "1"], ["1", "3"], ["4", "bad"], ["bad", "none"]].map(item);
        let text = items.join("\n");
        Dataset::from_reader(text.as_bytes(), "x", &ReadOptions::default()).unwrap()
    }

    fn stream(cancel: &AtomicBool) -> StreamOptions<'_> {
        let decode = DecodeOptions::default();
        StreamOptions { decode, batch_size: 2, decode_threads: 2, cancel }
    }

    #[test]
    fn every_picture_is_scored_once_and_failures_are_kept() {
        let (dir, cancel) = (folder(), AtomicBool::new(false));
        let options = ScoreDatasetOptions { images: dir.path(), stream: stream(&cancel) };
        let (red, mut calls) = (Red::default(), Vec::new());
        let count = Arc::clone(&red.0);
        let scorer = Scorer::from_reward(red);
        let progress = |done, all| calls.push((done, all));
        let result = score_dataset(&scorer, &data(), &options, None, progress).unwrap();
        let expected = [Some(vec![2.0, 1.0]), Some(vec![1.0, 3.0]), None, None];
        assert_eq!(result.scores.scores, expected);
        assert_eq!((result.scored, result.reused, count.load(Ordering::Relaxed)), (4, 0, 4));
        let failed: Vec<&str> = result.failures.iter().map(|f| &*f.image).collect();
        assert_eq!(failed, ["bad.ppm", "none.ppm"]);
        assert_eq!((calls.first(), calls.last()), (Some(&(0, 6)), Some(&(6, 6))));
    }

    #[test]
    fn a_cache_saves_what_is_unchanged() {
        let (dir, cancel) = (folder(), AtomicBool::new(false));
        let options = ScoreDatasetOptions { images: dir.path(), stream: stream(&cancel) };
        let path = dir.path().join("scores.jsonl");
        let run = || {
            let mut cache = ScoreCache::open(&path).unwrap();
            let scorer = Scorer::from_reward(Red::default());
            score_dataset(&scorer, &data(), &options, Some(&mut cache), |_, _| ()).unwrap()
        };
        let first = run();
        assert_eq!((first.scored, first.reused), (4, 0));
        let again = run();
        assert_eq!((again.scored, again.reused, again.failures.len()), (0, 4, 2));
        assert_eq!(again.scores, first.scores);
        // Another picture of the same name is another picture.
        std::fs::write(dir.path().join("3.ppm"), b"P6  1 1 255\n\x09\0\0").unwrap();
        let changed = run();
        assert_eq!((changed.scored, changed.reused), (1, 3));
        assert_eq!(changed.scores.scores[1], Some(vec![1.0, 9.0]));
    }

    #[test]
    fn a_stop_keeps_what_is_scored() {
        let (dir, cancel) = (folder(), AtomicBool::new(false));
        let options = ScoreDatasetOptions { images: dir.path(), stream: stream(&cancel) };
        let path = dir.path().join("scores.jsonl");
        let mut cache = ScoreCache::open(&path).unwrap();
        let scorer = Scorer::from_reward(Red::default());
        let stop = |done, _| cancel.store(done >= 2, Ordering::Relaxed);
        let error = score_dataset(&scorer, &data(), &options, Some(&mut cache), stop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert!(ScoreCache::open(&path).unwrap().len() >= 2);
    }
}
