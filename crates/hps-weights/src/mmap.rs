//! Read-only memory maps of weights files: the only `unsafe` code of this crate.
//!
//! A map costs no memory until it is read, several processes share it, and pages
//! that have been read can be handed back at once.
//!
//! # Files must not shrink while they are mapped
//!
//! If another program truncates a mapped file, touching a page beyond the new
//! end kills this process with `SIGBUS`; if it overwrites the file in place,
//! reads see the new bytes. Neither can be ruled out from here, and every
//! program that maps weights lives with it. Programs that replace a file by
//! writing a new one and renaming it (package managers, hub clients, `cp` to a
//! new name) are harmless: the map keeps the old file.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;

/// A whole file, mapped for reading.
#[derive(Debug)]
pub(crate) struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    /// Maps `path`.
    ///
    /// # Errors
    ///
    /// Whatever the system reports; an empty file is mapped as an empty slice.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        // SAFETY: the map is private to this struct and only read. `Mmap::map` is unsafe because
        // the file may be changed from outside while it is mapped. Every value of every byte is
        // valid for `[u8]`; readers of this crate copy headers, pickles and names out of the map
        // before they validate and use them, so nothing that was checked can change afterwards.
        // Truncation raises SIGBUS, which ends the process and corrupts nothing; see the module's
        // text.
        let map = unsafe { Mmap::map(&file)? };
        Ok(MappedFile { map })
    }

    /// The file's bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.map
    }

    /// Asks the system to read `range` ahead. A refusal costs only time, so it is ignored.
    pub(crate) fn will_need(&self, range: &Range<usize>) {
        #[cfg(unix)]
        if range.end <= self.map.len() && !range.is_empty() {
            let _ = self.map.advise_range(memmap2::Advice::WillNeed, range.start, range.len());
        }
        #[cfg(not(unix))]
        let _ = range;
    }

    /// Hands the pages of `range` back to the system, so that they no longer count as this
    /// process's memory. Reading them again fetches them from the file again.
    pub(crate) fn release(&self, range: &Range<usize>) {
        #[cfg(unix)]
        if range.end <= self.map.len() && !range.is_empty() {
            // SAFETY: `MADV_DONTNEED` is unchecked because on writable or anonymous private
            // memory it throws contents away. This map is shared, read-only and backed by a
            // file, so a dropped page holds exactly the file's bytes and the next access reads
            // the same bytes again: slices into it keep their contents. The range was checked to
            // lie within the map; the kernel widens it to whole pages, of which the above holds
            // too.
            let _ = unsafe {
                self.map.unchecked_advise_range(
                    memmap2::UncheckedAdvice::DontNeed,
                    range.start,
                    range.len(),
                )
            };
        }
        #[cfg(not(unix))]
        let _ = range;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn released_pages_read_the_same_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bytes");
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let map = MappedFile::open(&path).unwrap();
        for range in [0..bytes.len(), 1..2, 5000..70_001, 99_999..100_000, 7..7] {
            map.will_need(&range);
            map.release(&range);
            assert_eq!(map.as_slice(), bytes);
        }
        map.release(&(0..bytes.len() + 1));
    }

    #[test]
    fn empty_files_and_folders() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty");
        std::fs::write(&path, b"").unwrap();
        assert!(MappedFile::open(&path).unwrap().as_slice().is_empty());
        assert!(MappedFile::open(dir.path()).is_err());
    }
}
