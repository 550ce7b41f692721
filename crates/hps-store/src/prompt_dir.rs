//! The candidates of one prompt while they are made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hps_core::{
    Candidate, Error, GeneratorInfo, Image, Result, SampleSpec, Score, Warning, rank_descending,
};

use crate::record::{Drawn, Failed, Record};
use crate::{atomic, jsonl, names, png, provenance};

/// The folder of one prompt: takes candidates as they are finished.
///
/// Made by [`RunDir::prompt`](crate::RunDir::prompt); ranked by
/// [`finish`](PromptDir::finish).
#[derive(Debug)]
pub struct PromptDir {
    pub(crate) dir: PathBuf,
    pub(crate) top: Option<usize>,
    pub(crate) records: BTreeMap<u32, Record>,
    model: GeneratorInfo,
    writer: jsonl::Writer,
}

/// A candidate of an earlier session that need not be drawn again.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// How it was drawn, what it scored and what it cost.
    pub candidate: Candidate,
    /// Remarks of the reward.
    pub warnings: Vec<Warning>,
    /// Its picture; `None` where only the best are kept and it is not among them.
    pub image: Option<PathBuf>,
}

impl PromptDir {
    /// Opens or creates the folder and reads what is there.
    ///
    /// Records that are not among `expected` are forgotten: they belong to another
    /// plan. A record whose picture is missing or damaged loses its picture.
    pub(crate) fn open(
        dir: PathBuf,
        top: Option<usize>,
        model: GeneratorInfo,
        expected: &[SampleSpec],
    ) -> Result<PromptDir> {
        atomic::create_dir(&dir)?;
        let path = dir.join(names::RECORDS);
        let writer = jsonl::Writer::open(&path)?;
        let expected: BTreeMap<u32, &SampleSpec> =
            expected.iter().map(|spec| (spec.candidate, spec)).collect();
        let mut records = BTreeMap::new();
        for record in jsonl::read::<Record>(&path)? {
            let candidate = record.spec().candidate;
            if expected.get(&candidate) == Some(&record.spec()) {
                records.insert(candidate, record);
            } else {
                tracing::info!(candidate, dir = %dir.display(), "stored with other settings");
            }
        }
        for (&candidate, record) in &mut records {
            if let Record::Drawn(drawn) = record {
                drawn.rank = None;
                let text = provenance::text_chunks(&model, &drawn.candidate.spec);
                let usable = |name: &String| has_picture(&dir, candidate, name, &text);
                drawn.image = drawn.image.take().filter(usable);
            }
        }
        // At least the best picture is always kept.
        Ok(PromptDir { dir, top: top.map(|top| top.max(1)), records, model, writer })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The candidates that need not be drawn again, by index: drawn, scored, and
    /// with a picture or so far down that their picture would not be kept.
    pub fn completed(&self) -> BTreeMap<u32, Stored> {
        let mut completed = BTreeMap::new();
        let mut pictures = 0;
        for drawn in self.ranking() {
            let kept_out = self.top.is_some_and(|top| pictures >= top);
            if drawn.image.is_none() && !kept_out {
                continue;
            }
            pictures += usize::from(drawn.image.is_some());
            let stored = Stored {
                candidate: drawn.candidate.clone(),
                warnings: drawn.warnings.clone(),
                image: drawn.image.as_ref().map(|name| self.dir.join(name)),
            };
            completed.insert(drawn.candidate.spec.candidate, stored);
        }
        completed
    }

    /// Stores a finished candidate and its picture; both are on disk on return.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](hps_core::ErrorKind::Io) with the path. What was stored
    /// before stays valid.
    pub fn store(
        &mut self,
        candidate: &Candidate,
        warnings: &[Warning],
        image: &Image,
    ) -> Result<()> {
        let index = candidate.spec.candidate;
        let name = names::staged(index);
        let bytes = png::encode(image, &provenance::text_chunks(&self.model, &candidate.spec))?;
        atomic::create_dir(&self.dir.join(names::STAGE))?;
        atomic::write(&self.dir.join(&name), &bytes)?;
        self.append(Record::Drawn(Drawn {
            rank: None,
            image: Some(name),
            candidate: candidate.clone(),
            warnings: warnings.to_vec(),
        }))
    }

    /// Stores that a candidate could not be drawn or scored. A resumed run tries
    /// it again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](hps_core::ErrorKind::Io) with the path.
    pub fn store_failure(&mut self, spec: &SampleSpec, error: &Error) -> Result<()> {
        self.append(Record::Failed(Failed { error: error.into(), spec: spec.clone() }))
    }

    /// Sets the score of every drawn candidate anew, for scores that depend on the
    /// whole group. `scores` gets the candidates by index and returns one score
    /// each; the records on disk follow at [`finish`](PromptDir::finish).
    ///
    /// # Errors
    ///
    /// Whatever `scores` returns; nothing is changed then.
    pub fn rescore(
        &mut self,
        scores: impl FnOnce(&[&Candidate]) -> Result<Vec<Score>>,
    ) -> Result<()> {
        let mut drawn: Vec<&mut Candidate> = self
            .records
            .values_mut()
            .filter_map(|record| match record {
                Record::Drawn(drawn) => Some(&mut drawn.candidate),
                Record::Failed(_) => None,
            })
            .collect();
        let views: Vec<&Candidate> = drawn.iter().map(|candidate| &**candidate).collect();
        let scores = scores(&views)?;
        for (candidate, score) in drawn.iter_mut().zip(scores) {
            candidate.score = score;
        }
        Ok(())
    }

    /// Candidates that are among the best but have no picture: after
    /// [`rescore`](Self::rescore) one that was left out may have risen. They are to be
    /// drawn again.
    pub fn lacking(&self) -> Vec<SampleSpec> {
        let kept = self.ranking().into_iter().take(self.top.unwrap_or(usize::MAX));
        kept.filter(|drawn| drawn.image.is_none()).map(|d| d.candidate.spec.clone()).collect()
    }

    fn append(&mut self, record: Record) -> Result<()> {
        self.writer.append(&record)?;
        self.records.insert(record.spec().candidate, record);
        Ok(())
    }

    /// All drawn candidates from best to worst; ties go to the lowest index.
    pub(crate) fn ranking(&self) -> Vec<&Drawn> {
        let drawn: Vec<&Drawn> = self
            .records
            .values()
            .filter_map(|record| match record {
                Record::Drawn(drawn) => Some(drawn),
                Record::Failed(_) => None,
            })
            .collect();
        let scores: Vec<_> =
            drawn.iter().map(|drawn| Some(drawn.candidate.score.value())).collect();
        rank_descending(&scores).into_iter().map(|index| drawn[index]).collect()
    }
}

/// Whether the record's picture can be used: it is whole, and its text says that it
/// is this candidate's. Only names that this crate gives are followed, so that a
/// record cannot point out of its folder.
fn has_picture(dir: &Path, candidate: u32, name: &str, text: &[(String, String)]) -> bool {
    let path = dir.join(name);
    let ours = names::is_ranked(name) || name == names::staged(candidate);
    let is_its_own = |bytes: &[u8]| {
        let found = png::text(bytes).unwrap_or_default();
        png::decode(bytes).is_ok() && text.iter().all(|(key, value)| found.get(key) == Some(value))
    };
    let usable = ours && std::fs::read(&path).is_ok_and(|bytes| is_its_own(&bytes));
    if !usable {
        tracing::warn!(path = %path.display(), "the stored picture is missing or damaged");
    }
    usable
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use hps_core::ErrorKind;

    use super::*;
    use crate::checkpoint::armed::killed_after;
    use crate::fixture::{SCORES, candidate, manifest, session, spec, specs, store};

    fn open(dir: &Path, top: Option<usize>, expected: &[SampleSpec]) -> PromptDir {
        PromptDir::open(dir.to_owned(), top, manifest(6).model, expected).unwrap()
    }

    fn completed(dir: &Path, top: Option<usize>, expected: &[SampleSpec]) -> Vec<u32> {
        open(dir, top, expected).completed().into_keys().collect()
    }

    #[test]
    fn stored_candidates_are_found_again_before_and_after_the_finish() {
        let dir = tempfile::tempdir().unwrap();
        let mut prompt = open(dir.path(), None, &specs(4));
        assert!(prompt.completed().is_empty());
        for index in [3, 2, 0] {
            store(&mut prompt, index).unwrap();
        }
        drop(prompt);
        let prompt = open(dir.path(), None, &specs(4));
        let found = prompt.completed();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [0, 3]);
        assert_eq!(found[&0].candidate, candidate(0, 0.2));
        assert_eq!(found[&0].warnings.len(), 1);
        let bytes = fs::read(found[&3].image.as_ref().unwrap()).unwrap();
        assert_eq!(png::text(&bytes).unwrap()["candidate"], "3");
        prompt.finish().unwrap();
        assert_eq!(completed(dir.path(), None, &specs(4)), [0, 3]);
    }

    #[test]
    fn a_candidate_that_rises_after_rescoring_lacks_its_picture() {
        let dir = tempfile::tempdir().unwrap();
        session(dir.path(), Some(2), &[0, 1, 2, 3, 4]).unwrap();
        let mut prompt = open(dir.path(), Some(2), &specs(5));
        assert!(prompt.lacking().is_empty());
        let turned = |drawn: &[&Candidate]| {
            let raw = |candidate: &&Candidate| SCORES[candidate.spec.candidate as usize].unwrap();
            drawn.iter().map(|candidate| Score::new(-raw(candidate))).collect()
        };
        prompt.rescore(turned).unwrap();
        let lacking: Vec<u32> = prompt.lacking().iter().map(|spec| spec.candidate).collect();
        assert_eq!(lacking, [3, 0]);
        for index in lacking {
            store(&mut prompt, index).unwrap();
        }
        prompt.rescore(turned).unwrap();
        assert!(prompt.lacking().is_empty());
        let result = prompt.finish().unwrap();
        let pictures = result.ranked.iter().filter(|ranked| ranked.image.is_some()).count();
        assert_eq!(pictures, 2);
        assert!(result.ranked[..2].iter().all(|ranked| ranked.image.is_some()));
    }

    #[test]
    fn other_settings_and_lost_pictures_are_drawn_again() {
        let dir = tempfile::tempdir().unwrap();
        session(dir.path(), None, &[0, 1, 2, 3]).unwrap();
        let mut other = specs(4);
        other[1].num_inference_steps = 9;
        assert_eq!(completed(dir.path(), None, &other), [0, 3]);
        fs::remove_file(dir.path().join("02.png")).unwrap();
        assert_eq!(completed(dir.path(), None, &specs(4)), [1, 3]);
        let bytes = fs::read(dir.path().join("01.png")).unwrap();
        fs::write(dir.path().join("01.png"), &bytes[..bytes.len() - 20]).unwrap();
        assert_eq!(completed(dir.path(), None, &specs(4)), [3]);
    }

    #[test]
    fn pictures_outside_the_folder_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        session(dir.path(), None, &[0, 1]).unwrap();
        fs::rename(dir.path().join("01.png"), dir.path().join("mine.png")).unwrap();
        let records = dir.path().join(names::RECORDS);
        let text = fs::read_to_string(&records).unwrap().replace("01.png", "mine.png");
        fs::write(&records, text).unwrap();
        assert_eq!(completed(dir.path(), None, &specs(2)), [0]);
    }

    #[test]
    fn pictures_that_would_not_be_kept_are_not_drawn_again() {
        let dir = tempfile::tempdir().unwrap();
        session(dir.path(), Some(2), &[0, 1, 2, 3, 4]).unwrap();
        assert_eq!(completed(dir.path(), Some(2), &specs(5)), [0, 1, 3, 4]);
        assert_eq!(completed(dir.path(), Some(1), &specs(5)), [0, 1, 3, 4]);
        assert_eq!(completed(dir.path(), Some(3), &specs(5)), [1, 4]);
        assert_eq!(completed(dir.path(), None, &specs(5)), [1, 4]);
    }

    #[test]
    fn what_was_stored_before_a_kill_is_complete() {
        for changes in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let mut stored = Vec::new();
            let (_, survived) = killed_after(changes, || {
                let model = manifest(6).model;
                let mut prompt =
                    PromptDir::open(dir.path().to_owned(), None, model, &specs(6)).ok()?;
                for index in [1, 0] {
                    store(&mut prompt, index).ok()?;
                    stored.push(index);
                }
                Some(())
            });
            let found = completed(dir.path(), None, &specs(6));
            assert!(stored.iter().all(|index| found.contains(index)), "{stored:?} {found:?}");
            if survived {
                break;
            }
        }
    }

    #[test]
    fn a_retry_replaces_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let mut prompt = open(dir.path(), None, &specs(3));
        store(&mut prompt, 2).unwrap();
        prompt.store(&candidate(2, 0.5), &[], &crate::fixture::image(2)).unwrap();
        drop(prompt);
        let result = open(dir.path(), None, &specs(3)).finish().unwrap();
        assert!(result.failed.is_empty());
        assert_eq!(result.ranked[0].candidate.spec, spec(2));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut prompt = open(dir.path(), None, &specs(2));
        store(&mut prompt, 0).unwrap();
        // A file where a folder is needed fails for every user, root included.
        let stage = dir.path().join(names::STAGE);
        fs::rename(&stage, dir.path().join("away")).unwrap();
        fs::write(&stage, "").unwrap();
        let error = store(&mut prompt, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().contains(".candidates"), "{error}");
        fs::remove_file(&stage).unwrap();
        fs::rename(dir.path().join("away"), &stage).unwrap();
        drop(prompt);
        assert_eq!(completed(dir.path(), None, &specs(2)), [0]);
    }
}
