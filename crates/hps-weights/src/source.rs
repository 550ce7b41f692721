//! Where the bytes of a weights file are.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use hps_core::{Error, ErrorKind, Result};

use crate::mmap::MappedFile;

/// The bytes of one file in memory: built into the program or shared.
#[derive(Clone, Debug)]
pub enum MemoryBytes {
    /// Bytes that live as long as the program, e.g. from `include_bytes!`.
    Static(&'static [u8]),
    /// Bytes that live as long as somebody uses them.
    Shared(Arc<[u8]>),
}

impl From<&'static [u8]> for MemoryBytes {
    fn from(bytes: &'static [u8]) -> Self {
        MemoryBytes::Static(bytes)
    }
}

impl From<Arc<[u8]>> for MemoryBytes {
    fn from(bytes: Arc<[u8]>) -> Self {
        MemoryBytes::Shared(bytes)
    }
}

impl From<Vec<u8>> for MemoryBytes {
    fn from(bytes: Vec<u8>) -> Self {
        MemoryBytes::Shared(bytes.into())
    }
}

/// One file's bytes, mapped or in memory. Clones share them.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Mapped(Arc<MappedFile>),
    Memory(MemoryBytes),
}

impl Source {
    /// Maps the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let map = MappedFile::open(path).map_err(|error| open_error(path, error))?;
        Ok(Source::Mapped(Arc::new(map)))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Source::Mapped(map) => map.as_slice(),
            Source::Memory(MemoryBytes::Static(bytes)) => bytes,
            Source::Memory(MemoryBytes::Shared(bytes)) => bytes,
        }
    }

    /// See [`MappedFile::will_need`]; nothing to do for bytes in memory.
    pub(crate) fn will_need(&self, range: &Range<usize>) {
        if let Source::Mapped(map) = self {
            map.will_need(range);
        }
    }

    /// See [`MappedFile::release`]; nothing to do for bytes in memory.
    pub(crate) fn release(&self, range: &Range<usize>) {
        if let Source::Mapped(map) = self {
            map.release(range);
        }
    }
}

/// An error for a file that cannot be opened or read.
pub(crate) fn open_error(path: &Path, error: std::io::Error) -> Error {
    let path = path.display();
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::new(ErrorKind::NotFound, format!("there is no file {path}"))
            .with_hint("Check the path's spelling; relative paths start at the current folder.");
    }
    Error::new(ErrorKind::Io, format!("cannot read {path}")).with_source(error)
}
