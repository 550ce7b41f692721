//! From finished candidates to ranked pictures.
//!
//! The order of changes is what makes this safe to stop at any moment:
//!
//! 1. pictures that already have a rank are copied back to `.candidates`;
//! 2. the records are rewritten to point there, so that ranked names are free;
//! 3. ranked pictures are written and stale ones removed;
//! 4. the records are rewritten in rank order with their new names;
//! 5. `.candidates` is removed.
//!
//! Until 2 the records point to the old ranked pictures, until 4 to `.candidates`,
//! then to the new ranked pictures; at every moment what they point to is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hps_core::{Candidate, Result, Warning};

use crate::io_error::io_error;
use crate::prompt_dir::PromptDir;
use crate::record::{Drawn, Failed, Record};
use crate::{atomic, jsonl, leftovers, names};

/// The outcome of one prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptResult {
    /// Drawn candidates from best to worst; ties go to the lowest index.
    pub ranked: Vec<Ranked>,
    /// Candidates that could not be drawn or scored, by index.
    pub failed: Vec<Failed>,
}

/// A candidate with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Its place, from 1.
    pub rank: usize,
    /// How it was drawn, what it scored and what it cost.
    pub candidate: Candidate,
    /// Remarks of the reward.
    pub warnings: Vec<Warning>,
    /// Its picture, if it was kept.
    pub image: Option<PathBuf>,
}

impl PromptDir {
    /// Ranks what there is, names the pictures by rank and cleans up.
    ///
    /// With `top` set only the best pictures are kept; every candidate keeps its
    /// record. Also right after an interruption: a later session goes on from here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](hps_core::ErrorKind::Io) with the path. Nothing is lost
    /// then, and a resumed run can finish.
    pub fn finish(mut self) -> Result<PromptResult> {
        self.stage()?;
        let names = self.publish()?;
        let records = self.final_records(&names);
        jsonl::replace(&self.dir.join(names::RECORDS), &records)?;
        atomic::remove_private_dir(&self.dir.join(names::STAGE))?;
        Ok(self.result(records))
    }

    /// Steps 1 and 2: every picture in `.candidates`, every record pointing there.
    fn stage(&mut self) -> Result<()> {
        let mut moved = Vec::new();
        for (&candidate, record) in &self.records {
            if let Record::Drawn(Drawn { image: Some(name), .. }) = record
                && !names::is_staged(name)
            {
                atomic::create_dir(&self.dir.join(names::STAGE))?;
                self.copy(name, &names::staged(candidate))?;
                moved.push(candidate);
            }
        }
        for candidate in moved {
            if let Some(Record::Drawn(drawn)) = self.records.get_mut(&candidate) {
                drawn.image = Some(names::staged(candidate));
            }
        }
        jsonl::replace(&self.dir.join(names::RECORDS), self.records.values())
    }

    /// Step 3. Returns the names of the kept pictures by candidate.
    fn publish(&self) -> Result<BTreeMap<u32, String>> {
        let ranking = self.ranking();
        let count = self.top.map_or(ranking.len(), |top| top.min(ranking.len()));
        let mut kept = BTreeMap::new();
        for (index, drawn) in ranking.iter().take(count).enumerate() {
            if let Some(staged) = &drawn.image {
                let name = names::ranked(index + 1, count);
                self.copy(staged, &name)?;
                kept.insert(drawn.candidate.spec.candidate, name);
            }
        }
        let mut wanted: BTreeSet<String> = kept.values().cloned().collect();
        if let Some(best) = ranking.iter().find_map(|drawn| drawn.image.as_ref()) {
            self.copy(best, names::BEST)?;
            wanted.insert(names::BEST.to_owned());
        }
        leftovers::remove_stale(&self.dir, &wanted)?;
        Ok(kept)
    }

    /// A copy and not a link: an edited `01.png` must not change `best.png`.
    fn copy(&self, from: &str, to: &str) -> Result<()> {
        let from = self.dir.join(from);
        let bytes = std::fs::read(&from).map_err(|error| io_error("read", &from, error))?;
        atomic::write(&self.dir.join(to), &bytes)
    }

    /// Drawn candidates by rank, then failures by index.
    fn final_records(&self, names: &BTreeMap<u32, String>) -> Vec<Record> {
        let drawn = self.ranking().into_iter().enumerate().map(|(index, drawn)| {
            let image = names.get(&drawn.candidate.spec.candidate).cloned();
            Record::Drawn(Drawn { rank: Some(index + 1), image, ..drawn.clone() })
        });
        let failed = self.records.values().filter(|record| matches!(record, Record::Failed(_)));
        drawn.chain(failed.cloned()).collect()
    }

    fn result(&self, records: Vec<Record>) -> PromptResult {
        let mut result = PromptResult::default();
        for record in records {
            match record {
                Record::Failed(failed) => result.failed.push(failed),
                Record::Drawn(drawn) => result.ranked.push(Ranked {
                    rank: result.ranked.len() + 1,
                    candidate: drawn.candidate,
                    warnings: drawn.warnings,
                    image: drawn.image.map(|name| self.dir.join(name)),
                }),
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use serde_json::Value;

    use super::*;
    use crate::fixture::{session, snapshot};
    use crate::png;

    fn lines(dir: &std::path::Path) -> Vec<Value> {
        jsonl::read(&dir.join(names::RECORDS)).unwrap()
    }

    #[test]
    fn candidates_are_ranked_with_ties_to_the_lowest_index() {
        let dir = tempfile::tempdir().unwrap();
        let result = session(dir.path(), None, &[4, 2, 0, 5, 1, 3]).unwrap();
        let order: Vec<_> =
            result.ranked.iter().map(|ranked| ranked.candidate.spec.candidate).collect();
        assert_eq!(order, [1, 4, 5, 0, 3]);
        assert_eq!(result.failed[0].error.message, "it broke");
        for (ranked, line) in result.ranked.iter().zip(lines(dir.path())) {
            assert_eq!(line["rank"], ranked.rank);
            assert_eq!(line["image"], format!("{:02}.png", ranked.rank));
            let bytes = fs::read(ranked.image.as_ref().unwrap()).unwrap();
            let candidate = ranked.candidate.spec.candidate.to_string();
            assert_eq!(png::text(&bytes).unwrap()["candidate"], candidate);
        }
        let last = &lines(dir.path())[5];
        assert_eq!((&last["candidate"], &last["error"]["kind"]), (&2.into(), &"model".into()));
        assert!(last.get("rank").is_none());
    }

    #[test]
    fn only_the_best_pictures_are_kept_but_all_records() {
        let dir = tempfile::tempdir().unwrap();
        let result = session(dir.path(), Some(2), &[0, 1, 2, 3, 4, 5]).unwrap();
        assert_eq!(result.ranked.iter().filter(|ranked| ranked.image.is_some()).count(), 2);
        let lines = lines(dir.path());
        assert_eq!(lines.len(), 6);
        assert_eq!((&lines[1]["image"], &lines[2]["image"]), (&"02.png".into(), &Value::Null));
        assert_eq!(lines[4]["rank"], 5);
    }

    #[test]
    fn pictures_of_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        session(dir.path(), None, &[0, 1]).unwrap();
        let foreign = png::encode(&crate::fixture::image(0), &[]).unwrap();
        fs::write(dir.path().join("2024.png"), &foreign).unwrap();
        fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        session(dir.path(), Some(1), &[0, 1]).unwrap();
        let files = snapshot(dir.path());
        assert!(files.contains_key("2024.png") && files.contains_key("notes.txt"));
        assert!(!files.contains_key("02.png"));
    }

    #[test]
    fn nothing_drawn_leaves_no_picture() {
        let dir = tempfile::tempdir().unwrap();
        let result = session(dir.path(), None, &[]).unwrap();
        assert_eq!(result, PromptResult::default());
        assert_eq!(snapshot(dir.path()).into_keys().collect::<Vec<_>>(), ["candidates.jsonl"]);
    }
}
