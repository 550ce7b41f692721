//! Event files for TensorBoard, scalars only.
//!
//! A file is a sequence of records: the length of the data (`u64`), its masked CRC-32C,
//! the data, its masked CRC-32C, all little-endian. The data is an `Event` of
//! `tensorflow/core/util/event.proto` in protocol buffers' encoding:
//!
//! ```text
//! Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//! Summary { repeated Value value = 1; }
//! Value   { string tag = 1; float simple_value = 2; }
//! ```

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use hps_core::Result;

use super::crc32c::masked;
use crate::durable::{self, io_error};

/// Appends scalars to an event file.
pub struct EventWriter {
    path: PathBuf,
    file: File,
}

/// Scalars of one step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scalars {
    /// Seconds since 1970.
    pub wall_time: f64,
    pub step: u64,
    pub values: Vec<(&'static str, f64)>,
}

impl EventWriter {
    /// Replaces the file at `path` by one with `events`, to which more can be appended.
    /// It begins at the time of the first of them, or `now`.
    pub(super) fn create(path: &Path, events: &[Scalars], now: f64) -> Result<Self> {
        let began = events.first().map_or(now, |event| event.wall_time);
        let mut content = record(&version(began));
        events.iter().for_each(|event| content.extend(record(&event.encode())));
        durable::replace_with(path, &content)?;
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|error| io_error("open", path, error))?;
        Ok(EventWriter { path: path.to_owned(), file })
    }

    /// Appends the scalars of a step.
    pub(super) fn append(&mut self, event: &Scalars) -> Result<()> {
        self.file
            .write_all(&record(&event.encode()))
            .map_err(|error| io_error("write", &self.path, error))
    }
}

fn record(data: &[u8]) -> Vec<u8> {
    let len = (data.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(data.len() + 16);
    bytes.extend(len);
    bytes.extend(masked(&len).to_le_bytes());
    bytes.extend(data);
    bytes.extend(masked(data).to_le_bytes());
    bytes
}

/// The event that every file begins with.
fn version(wall_time: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_time);
    event.bytes(3, b"brain.Event:2");
    event.0
}

impl Scalars {
    fn encode(&self) -> Vec<u8> {
        let mut summary = Message::default();
        for (tag, value) in &self.values {
            let mut entry = Message::default();
            entry.bytes(1, tag.as_bytes());
            entry.float(2, *value as f32);
            summary.bytes(1, &entry.0);
        }
        let mut event = Message::default();
        event.double(1, self.wall_time);
        event.varint(2, self.step);
        event.bytes(5, &summary.0);
        event.0
    }
}

/// A message in protocol buffers' encoding.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// A field's number and how its value is encoded.
    fn key(&mut self, field: u64, wire_type: u64) {
        self.number(field << 3 | wire_type);
    }

    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.number(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        self.number(value.len() as u64);
        self.0.extend(value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Bytes that the `tensorboard` package writes for the same event.
    #[test]
    fn an_event_is_encoded_as_tensorboard_does() {
        let event = Scalars { wall_time: 1.5, step: 300, values: vec![("loss", 0.25)] };
        let expected = [
            0x09, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 0x10, 0xAC, 0x02, 0x2A, 0x0D, 0x0A, 0x0B, 0x0A,
            0x04, b'l', b'o', b's', b's', 0x15, 0, 0, 0x80, 0x3E,
        ];
        assert_eq!(event.encode(), expected);
    }

    #[test]
    fn records_are_framed_and_appended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let event = |step| Scalars { wall_time: 2.0, step, values: vec![("a", 1.0), ("b", 2.0)] };
        let mut writer = EventWriter::create(&path, &[event(1)], 9.0).unwrap();
        writer.append(&event(2)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let (mut rest, mut datas) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let len = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(rest[8..12], masked(&rest[..8]).to_le_bytes());
            let data = &rest[12..12 + len];
            assert_eq!(rest[12 + len..16 + len], masked(data).to_le_bytes());
            datas.push(data.to_vec());
            rest = &rest[16 + len..];
        }
        assert_eq!(datas, [version(2.0), event(1).encode(), event(2).encode()]);
    }
}
