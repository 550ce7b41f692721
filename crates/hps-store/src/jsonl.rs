//! Records, one JSON object a line.
//!
//! A line is only valid with its newline: a process that dies while it appends
//! leaves a torn last line, which readers ignore and [`Writer::open`] removes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hps_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic;
use crate::checkpoint::{checkpoint, sync};
use crate::io_error::io_error;

/// Appends records to a file; each is on the disk when the call returns.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
}

impl Writer {
    /// Opens or creates the file and cuts off a torn last line.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] or [`ErrorKind::NotFound`] with the path.
    pub fn open(path: &Path) -> Result<Writer> {
        let file = checkpoint()
            .and_then(|()| OpenOptions::new().create(true).append(true).open(path))
            .map_err(|error| io_error("open", path, error))?;
        let bytes = fs::read(path).map_err(|error| io_error("read", path, error))?;
        let whole = whole_lines(&bytes).len();
        if whole < bytes.len() {
            tracing::info!(path = %path.display(), "removing a torn last line");
            checkpoint()
                .and_then(|()| file.set_len(whole as u64))
                .map_err(|error| io_error("truncate", path, error))?;
        }
        Ok(Writer { path: path.to_owned(), file })
    }

    /// Appends one record.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] with the path. The file may then end in a torn line.
    pub fn append<T: Serialize>(&mut self, record: &T) -> Result<()> {
        let line = to_line(record, &self.path)?;
        self.write(&line).map_err(|error| io_error("append to", &self.path, error))
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let (first, second) = line.split_at(line.len() / 2);
        checkpoint()?;
        // Outside tests this is one write; in tests a kill can tear the line.
        if cfg!(test) {
            self.file.write_all(first)?;
            checkpoint()?;
            self.file.write_all(second)?;
        } else {
            self.file.write_all(line)?;
        }
        sync(&self.file)
    }
}

/// All records of a file, without a torn last line. A missing file has none.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] with path and line number if a whole line is not a
/// record; [`ErrorKind::Io`] if the file cannot be read.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", path, error)),
    };
    let lines = whole_lines(&bytes).split_inclusive(|&byte| byte == b'\n');
    lines
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|error| damaged(path, index + 1, &error))
        })
        .collect()
}

/// Replaces a file by these records, all at once.
///
/// # Errors
///
/// [`ErrorKind::Io`] with the path; the former content is then untouched.
pub fn replace<'a, T: Serialize + 'a>(
    path: &Path,
    records: impl IntoIterator<Item = &'a T>,
) -> Result<()> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend(to_line(record, path)?);
    }
    atomic::write(path, &bytes)
}

fn to_line<T: Serialize>(record: &T, path: &Path) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)
        .map_err(|error| io_error("write a record to", path, error.into()))?;
    line.push(b'\n');
    Ok(line)
}

fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

fn damaged(path: &Path, line: usize, error: &serde_json::Error) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("{} line {line} is damaged: {error}", path.display()),
    )
    .with_hint("Remove this line and resume, or start again with --overwrite.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn records() -> [Value; 3] {
        [json!({"a": 1}), json!({"b": "line\nbreak 狐"}), json!({"c": [1, 2.5, null]})]
    }

    #[test]
    fn records_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        assert!(read::<Value>(&path).unwrap().is_empty());
        let mut writer = Writer::open(&path).unwrap();
        for record in &records() {
            writer.append(record).unwrap();
        }
        assert_eq!(read::<Value>(&path).unwrap(), records());
        let appended = fs::read(&path).unwrap();
        replace(&path, &records()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), appended);
    }

    #[test]
    fn a_torn_line_at_any_offset_is_ignored_then_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        replace(&path, &records()).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let kept = whole[..length].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(read::<Value>(&path).unwrap(), records()[..kept], "{length} bytes");
            let mut writer = Writer::open(&path).unwrap();
            for record in &records()[kept..] {
                writer.append(record).unwrap();
            }
            assert_eq!(fs::read(&path).unwrap(), whole, "{length} bytes");
        }
    }

    #[test]
    fn a_damaged_line_is_reported_with_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        for middle in [&b"{\"a\":"[..], b"\xff\xfe", b"", b"{} {}"] {
            let bytes = [b"{}\n", middle, b"\n{}\n"].concat();
            fs::write(&path, bytes).unwrap();
            let error = read::<Value>(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains("x.jsonl line 2 is damaged"), "{error}");
        }
    }
}
