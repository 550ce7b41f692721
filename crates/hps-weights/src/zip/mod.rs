//! The directory of a zip archive, for archives whose entries are stored as they are.
//!
//! PyTorch never compresses, so a weights file needs only the places of its entries. The reader
//! follows PKWARE's APPNOTE 6.3.10 (§4.3.12 central directory, §4.3.14 zip64), allocates in
//! proportion to the directory's real size, and trusts no length or offset.

use std::collections::HashMap;
use std::ops::Range;

use hps_core::Result;

use crate::invalid::invalid;

const LOCAL_HEADER: u32 = 0x0403_4b50;
const CENTRAL_HEADER: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_ZIP64: u32 = 0x0606_4b50;
const END_ZIP64_LOCATOR: u32 = 0x0706_4b50;

const LOCAL_HEADER_BYTES: usize = 30;
const CENTRAL_HEADER_BYTES: usize = 46;
const END_BYTES: usize = 22;
const LOCATOR_BYTES: usize = 20;

/// An archive's entries by name.
#[derive(Debug)]
pub(crate) struct Directory {
    entries: HashMap<String, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    encrypted: bool,
    method: u16,
    size: u64,
    compressed_size: u64,
    header_start: u64,
}

/// Why there is no directory.
#[derive(Debug)]
pub(crate) enum DirectoryError {
    /// The record that ends every archive is absent: the file was cut short.
    NoEnd,
    /// The archive is damaged or of an unsupported kind.
    Damaged(String),
}

impl Directory {
    /// Reads the directory at the end of `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DirectoryError> {
        let end = find_end(bytes).ok_or(DirectoryError::NoEnd)?;
        let (count, range) = directory_range(bytes, end)
            .ok_or_else(|| DirectoryError::Damaged("its zip directory is misplaced".to_owned()))?;
        let directory = bytes.get(range).unwrap_or_default();
        let mut entries = HashMap::new();
        let mut at = 0;
        while at < directory.len() {
            let (name, entry, next) = read_entry(directory, at).ok_or_else(|| {
                DirectoryError::Damaged(format!(
                    "entry {} of its zip directory is damaged",
                    entries.len()
                ))
            })?;
            if entries.insert(name.clone(), entry).is_some() {
                return Err(DirectoryError::Damaged(format!("two zip entries are called {name}")));
            }
            at = next;
        }
        if entries.len() as u64 != count {
            let what =
                format!("its zip directory has {} entries and claims {count}", entries.len());
            return Err(DirectoryError::Damaged(what));
        }
        Ok(Directory { entries })
    }

    /// The names of all entries, in no order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The place of an entry's bytes in the archive; `None` where there is no such entry.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidWeights`] when the entry is compressed, encrypted or does
    /// not lie within the file.
    pub(crate) fn stored_range(
        &self,
        file: &str,
        bytes: &[u8],
        entry_name: &str,
    ) -> Result<Option<Range<usize>>> {
        let Some(entry) = self.entries.get(entry_name) else {
            return Ok(None);
        };
        if entry.encrypted {
            return Err(invalid(file, format!("the zip entry {entry_name} is encrypted")));
        }
        if entry.method != 0 || entry.size != entry.compressed_size {
            let what = format!("the zip entry {entry_name} is compressed");
            return Err(invalid(file, what).with_hint(
                "torch.save stores entries as they are; save the file again with torch.save.",
            ));
        }
        match entry.data_range(bytes) {
            Some(range) => Ok(Some(range)),
            None => Err(invalid(file, format!("the zip entry {entry_name} lies outside the file"))
                .with_hint("Download or copy the file again, and compare its digest.")),
        }
    }
}

impl Entry {
    fn data_range(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = local_data_start(bytes, usize::try_from(self.header_start).ok()?)?;
        let end = start.checked_add(usize::try_from(self.size).ok()?)?;
        (end <= bytes.len()).then_some(start..end)
    }
}

/// The name of the entry whose local header is at the start of an archive and the place where its
/// data begins. Needs no directory, so it works on a file that was cut short.
pub(crate) fn first_entry(bytes: &[u8]) -> Option<(String, usize)> {
    let start = local_data_start(bytes, 0)?;
    let name_length = usize::from(u16_at(bytes, 26)?);
    let name = bytes.get(LOCAL_HEADER_BYTES..LOCAL_HEADER_BYTES + name_length)?;
    Some((String::from_utf8(name.to_vec()).ok()?, start))
}

fn local_data_start(bytes: &[u8], header: usize) -> Option<usize> {
    if u32_at(bytes, header)? != LOCAL_HEADER {
        return None;
    }
    let name = usize::from(u16_at(bytes, header.checked_add(26)?)?);
    let extra = usize::from(u16_at(bytes, header.checked_add(28)?)?);
    let start = header.checked_add(LOCAL_HEADER_BYTES + name + extra)?;
    (start <= bytes.len()).then_some(start)
}

/// The last end record: the one whose comment reaches exactly to the end of the file.
fn find_end(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|&at| {
        u32_at(bytes, at) == Some(END) && u16_at(bytes, at + 20).map(usize::from) == Some(last - at)
    })
}

/// The number of entries and the directory's place, from the end record or its zip64 form.
fn directory_range(bytes: &[u8], end: usize) -> Option<(u64, Range<usize>)> {
    let mut count = u64::from(u16_at(bytes, end + 10)?);
    let mut size = u64::from(u32_at(bytes, end + 12)?);
    let mut start = u64::from(u32_at(bytes, end + 16)?);
    let zip64 =
        count == u64::from(u16::MAX) || size == u64::from(u32::MAX) || start == u64::from(u32::MAX);
    if zip64 {
        let locator = end.checked_sub(LOCATOR_BYTES)?;
        if u32_at(bytes, locator)? != END_ZIP64_LOCATOR {
            return None;
        }
        let record = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
        if u32_at(bytes, record)? != END_ZIP64 {
            return None;
        }
        count = u64_at(bytes, record.checked_add(32)?)?;
        size = u64_at(bytes, record.checked_add(40)?)?;
        start = u64_at(bytes, record.checked_add(48)?)?;
    }
    let start = usize::try_from(start).ok()?;
    let stop = start.checked_add(usize::try_from(size).ok()?)?;
    (stop <= end).then_some((count, start..stop))
}

/// Reads the entry at `at`; returns it with its name and the place of the next one.
fn read_entry(directory: &[u8], at: usize) -> Option<(String, Entry, usize)> {
    if u32_at(directory, at)? != CENTRAL_HEADER {
        return None;
    }
    let name_end = at + CENTRAL_HEADER_BYTES + usize::from(u16_at(directory, at + 28)?);
    let extra_end = name_end + usize::from(u16_at(directory, at + 30)?);
    let next = extra_end + usize::from(u16_at(directory, at + 32)?);
    let name = directory.get(at + CENTRAL_HEADER_BYTES..name_end)?;
    let extra = directory.get(name_end..extra_end)?;
    let mut entry = Entry {
        encrypted: u16_at(directory, at + 8)? & 1 != 0,
        method: u16_at(directory, at + 10)?,
        compressed_size: u64::from(u32_at(directory, at + 20)?),
        size: u64::from(u32_at(directory, at + 24)?),
        header_start: u64::from(u32_at(directory, at + 42)?),
    };
    apply_zip64(&mut entry, extra)?;
    (next <= directory.len()).then_some((String::from_utf8(name.to_vec()).ok()?, entry, next))
}

/// Replaces the fields that do not fit 32 bits by those of the zip64 extra field, which holds
/// exactly these, in this order. `None` where it is needed and damaged or absent.
fn apply_zip64(entry: &mut Entry, extra: &[u8]) -> Option<()> {
    let fields = [&mut entry.size, &mut entry.compressed_size, &mut entry.header_start];
    let mut wanted = fields.into_iter().filter(|field| **field == u64::from(u32::MAX)).peekable();
    if wanted.peek().is_none() {
        return Some(());
    }
    let mut values = zip64_field(extra)?;
    for field in wanted {
        let (value, rest) = values.split_first_chunk::<8>()?;
        *field = u64::from_le_bytes(*value);
        values = rest;
    }
    Some(())
}

/// The content of the extra field with identifier 1.
fn zip64_field(mut extra: &[u8]) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(extra, 2)?);
        let content = extra.get(4..4 + length)?;
        if u16_at(extra, 0)? == 1 {
            return Some(content);
        }
        extra = extra.get(4 + length..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
