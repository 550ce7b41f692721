//! Records of a run, one JSON object a line.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use hps_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::tensorboard::{EventWriter, Scalars};
use crate::durable::io_error;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Steps done.
    pub step: u64,
    /// When it was written, in seconds since 1970.
    pub time: f64,
    /// Of the training data, since the last such record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainingStep>,
    /// Of the validation data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
}

/// Means over the steps since the last record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingStep {
    /// The mean loss of a comparison.
    pub loss: f64,
    /// The share of pairs that the model orders as people do; 0 where there is none.
    pub accuracy: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The norm of all gradients of the last step, before clipping.
    pub gradient_norm: f64,
    /// `logit_scale` after the last step.
    pub logit_scale: f64,
    /// Pictures per second.
    pub images_per_second: f64,
}

/// How well the model agrees with people on data that it is not trained with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The share of `pairs` that the model orders as people do; 0 where there is none.
    pub accuracy: f64,
    /// Pairs of pictures that people order.
    pub pairs: usize,
    /// The mean loss of a comparison.
    pub loss: f64,
    /// Comparisons that were skipped because a picture could not be read.
    pub skipped: usize,
}

impl Record {
    fn scalars(&self) -> Scalars {
        let mut values = Vec::new();
        if let Some(train) = self.train {
            values.extend([
                ("train/loss", train.loss),
                ("train/accuracy", train.accuracy),
                ("train/learning_rate", train.learning_rate),
                ("train/gradient_norm", train.gradient_norm),
                ("train/logit_scale", train.logit_scale),
                ("train/images_per_second", train.images_per_second),
            ]);
        }
        if let Some(validation) = self.validation {
            let Evaluation { accuracy, loss, .. } = validation;
            values.extend([("validation/accuracy", accuracy), ("validation/loss", loss)]);
        }
        Scalars { wall_time: self.time, step: self.step, values }
    }
}

/// Writes records, and the same scalars for TensorBoard.
pub struct Metrics {
    path: PathBuf,
    file: File,
    events: EventWriter,
}

impl Metrics {
    /// Opens or creates `path` and keeps the records up to `step`: those after it will
    /// be made again. `events` becomes the event file with the scalars of the same
    /// records. `now` is in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when a whole line is no record, [`ErrorKind::Io`]
    /// when a file cannot be read or written.
    pub fn open(path: &Path, events: &Path, step: u64, now: f64) -> Result<Self> {
        let (kept, len) = kept(path, step)?;
        let failed = |verb| move |error| io_error(verb, path, error);
        let file =
            OpenOptions::new().create(true).append(true).open(path).map_err(failed("open"))?;
        file.set_len(len).map_err(failed("truncate"))?;
        let scalars: Vec<Scalars> = kept.iter().map(Record::scalars).collect();
        let events = EventWriter::create(events, &scalars, now)?;
        Ok(Metrics { path: path.to_owned(), file, events })
    }

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when it cannot be written.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_vec(record).map_err(|error| {
            Error::new(ErrorKind::Io, "cannot write a record").with_source(error)
        })?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| io_error("write", &self.path, error))?;
        self.events.append(&record.scalars())
    }

    /// Waits until all records are on the disk.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when that fails.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| io_error("sync", &self.path, error))
    }
}

/// The records of a file up to `step`, and how many bytes they take. A torn last line,
/// from a process that was killed, is none.
fn kept(path: &Path, step: u64) -> Result<(Vec<Record>, u64)> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(io_error("read", path, error)),
    };
    let (mut records, mut len) = (Vec::new(), 0);
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if line.last() != Some(&b'\n') {
            break;
        }
        let record: Record = serde_json::from_slice(line).map_err(|error| {
            let message = format!("{} line {}: not a record", path.display(), index + 1);
            Error::new(ErrorKind::InvalidInput, message).with_source(error)
        })?;
        if record.step > step {
            break;
        }
        records.push(record);
        len += line.len() as u64;
    }
    Ok((records, len))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn record(step: u64) -> Record {
        let validation = Evaluation { accuracy: 0.75, pairs: 8, loss: 0.5, skipped: 1 };
        let validation = step.is_multiple_of(2).then_some(validation);
        let train = Some(TrainingStep { loss: 1.0 / step as f64, ..TrainingStep::default() });
        Record { step, time: 100.5 + step as f64, train, validation }
    }

    #[test]
    fn records_after_the_checkpoint_are_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, events) = (dir.path().join("m.jsonl"), dir.path().join("events"));
        let open = |step| Metrics::open(&path, &events, step, 101.5).unwrap();
        let write = |metrics: &mut Metrics, steps: std::ops::RangeInclusive<u64>| {
            steps.for_each(|step| metrics.append(&record(step)).unwrap());
            metrics.sync().unwrap();
        };
        write(&mut open(0), 1..=6);
        let whole = (fs::read(&path).unwrap(), fs::read(&events).unwrap());
        assert_eq!(kept(&path, 99).unwrap().0, (1..=6).map(record).collect::<Vec<_>>());
        // Killed while line 7 was written, with a checkpoint at step 4.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\": 7").unwrap();
        write(&mut open(4), 5..=6);
        assert!((fs::read(&path).unwrap(), fs::read(&events).unwrap()) == whole);
        open(0);
        assert!(fs::read(&path).unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_no_record_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.jsonl");
        fs::write(&path, "{\"step\": 1, \"time\": 1.0}\nhello\n").unwrap();
        let error = kept(&path, 9).unwrap_err();
        assert!(error.message().ends_with("m.jsonl line 2: not a record"), "{error}");
    }
}
