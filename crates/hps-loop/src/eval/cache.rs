//! Scores that are there already, in a file that grows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use hps_core::{ErrorKind, Precision, Result, RewardInfo};
use hps_store::jsonl;
use serde::{Deserialize, Serialize};

/// A JSONL file of scores, read once and appended to as scores are made.
///
/// A score is used again for the same reward, weights, resize policy, precision and
/// prompt, and the same picture: its name in the data, its size and its time of
/// change. A torn last line, from a process that was killed, is ignored.
#[derive(Debug)]
pub struct ScoreCache {
    path: PathBuf,
    known: HashMap<RewardKey, HashMap<ItemKey, f32>>,
    writer: jsonl::Writer,
}

/// What a score depends on of its reward.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct RewardKey {
    reward: String,
    weights_sha256: Option<String>,
    preprocess: String,
    precision: Precision,
}

/// What a score depends on besides.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct ItemKey {
    image: String,
    #[serde(flatten)]
    file: FileKey,
    prompt: String,
}

/// What tells that a file is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct FileKey {
    bytes: u64,
    /// Nanoseconds since 1970; 0 where the file system does not say.
    modified: u64,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line<R, I> {
    #[serde(flatten)]
    reward: R,
    #[serde(flatten)]
    item: I,
    score: f32,
}

impl ScoreCache {
    /// Opens or creates the file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when a whole line is not a score,
    /// [`ErrorKind::Io`] when the file cannot be read or written.
    pub fn open(path: &Path) -> Result<Self> {
        let lines: Vec<Line<RewardKey, ItemKey>> =
            jsonl::read(path).map_err(|error| match error.kind() {
                ErrorKind::InvalidInput => {
                    error.with_hint("Remove this line, or name another file with `--scores`.")
                }
                _ => error,
            })?;
        let mut known: HashMap<RewardKey, HashMap<ItemKey, f32>> = HashMap::new();
        for line in lines {
            known.entry(line.reward).or_default().insert(line.item, line.score);
        }
        let writer = jsonl::Writer::open(path)?;
        Ok(ScoreCache { path: path.to_owned(), known, writer })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many scores there are.
    pub fn len(&self) -> usize {
        self.known.values().map(HashMap::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn get(&self, reward: &RewardKey, item: &ItemKey) -> Option<f32> {
        self.known.get(reward)?.get(item).copied()
    }

    /// Appends a score; it is on the disk when the call returns.
    pub(super) fn add(&mut self, reward: &RewardKey, item: ItemKey, score: f32) -> Result<()> {
        self.writer.append(&Line { reward, item: &item, score })?;
        self.known.entry(reward.clone()).or_default().insert(item, score);
        Ok(())
    }
}

impl RewardKey {
    pub(super) fn of(info: &RewardInfo) -> Self {
        RewardKey {
            reward: info.id.clone(),
            weights_sha256: info.weights_sha256.clone(),
            preprocess: info.preprocess.clone(),
            precision: info.precision,
        }
    }
}

impl ItemKey {
    /// `None` for a file that cannot be looked at.
    pub(super) fn of(path: &Path, image: &str, prompt: &str) -> Option<Self> {
        let file = FileKey::of(path)?;
        Some(ItemKey { image: image.to_owned(), file, prompt: prompt.to_owned() })
    }
}

impl FileKey {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = since.map_or(0, |since| since.as_nanos() as u64);
        Some(FileKey { bytes: metadata.len(), modified })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn info() -> RewardInfo {
        RewardInfo {
            id: "demo".to_owned(),
            weights_sha256: Some("abc".to_owned()),
            preprocess: "antialias".to_owned(),
            precision: Precision::F32,
            kernel: "host".to_owned(),
        }
    }

    fn item(bytes: u64) -> ItemKey {
        let file = FileKey { bytes, modified: 7 };
        ItemKey { image: "a.png".to_owned(), file, prompt: "a \"fox\"".to_owned() }
    }

    #[test]
    fn scores_come_back_to_the_last_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scores.jsonl");
        let score = 0.1f32 + 0.2;
        let mut cache = ScoreCache::open(&path).unwrap();
        assert!(cache.is_empty());
        cache.add(&RewardKey::of(&info()), item(5), score).unwrap();
        drop(cache);
        let cache = ScoreCache::open(&path).unwrap();
        assert_eq!((cache.len(), cache.path()), (1, &*path));
        assert_eq!(cache.get(&RewardKey::of(&info()), &item(5)), Some(score));
    }

    #[test]
    fn whatever_changes_a_score_is_in_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = ScoreCache::open(&dir.path().join("scores.jsonl")).unwrap();
        cache.add(&RewardKey::of(&info()), item(5), 0.5).unwrap();
        let others = [
            RewardInfo { id: "other".to_owned(), ..info() },
            RewardInfo { weights_sha256: None, ..info() },
            RewardInfo { preprocess: "no-antialias".to_owned(), ..info() },
        ];
        for other in &others {
            assert_eq!(cache.get(&RewardKey::of(other), &item(5)), None);
        }
        assert_eq!(cache.get(&RewardKey::of(&info()), &item(6)), None);
        // Bits may differ between kernels, but not so that scores must be made again.
        let other_kernel = RewardInfo { kernel: "gemm".to_owned(), ..info() };
        assert_eq!(cache.get(&RewardKey::of(&other_kernel), &item(5)), Some(0.5));
    }

    #[test]
    fn damaged_lines_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scores.jsonl");
        std::fs::write(&path, "{\"reward\": 1}\n").unwrap();
        let error = ScoreCache::open(&path).unwrap_err();
        assert!(error.message().contains("line 1"), "{error}");
        assert!(error.hint().unwrap().contains("--scores"));
        // A torn last line is none.
        std::fs::write(&path, "{\"reward\": 1}").unwrap();
        assert!(ScoreCache::open(&path).unwrap().is_empty());
    }
}
