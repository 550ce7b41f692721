//! Reading what `torch.save` writes: a zip archive with a pickle and raw storages.
//!
//! Inside one top folder, `data.pkl` describes the tensors, `data/<key>` are the storages, and
//! `byteorder` (absent in old files) says how numbers are written. Source: PyTorch's
//! `torch/serialization.py` and `caffe2/serialize/inline_container.cc`.

use std::collections::BTreeMap;

use hps_core::Result;

use crate::checkpoint::{Stored, element_count, span};
use crate::invalid::{Missing, cut_short, invalid};
use crate::pickle::{MAX_PICKLE_BYTES, PickledTensor, read_tensors};
use crate::zip::{Directory, DirectoryError, first_entry};

/// Reads the tensors' places from an archive's bytes. Names are the keys of the saved dictionary;
/// those of a dictionary within it are `outer.inner`.
///
/// # Errors
///
/// [`hps_core::ErrorKind::InvalidWeights`] when the archive or its pickle is damaged, compressed,
/// big-endian or contains code, or when a tensor lies outside its storage.
pub(crate) fn read_archive(name: &str, bytes: &[u8]) -> Result<BTreeMap<String, Stored>> {
    let directory = Directory::read(bytes).map_err(|error| match error {
        DirectoryError::NoEnd => cut_short(name, missing_bytes(bytes)),
        DirectoryError::Damaged(what) => invalid(name, what)
            .with_hint("Download or copy the file again, and compare its digest."),
    })?;
    let archive = Archive { name, bytes, root: root_folder(name, &directory)?, directory };
    archive.check_byte_order()?;
    let pickle = archive.entry("data.pkl")?.unwrap_or_default();
    if pickle.len() > MAX_PICKLE_BYTES {
        return Err(invalid(name, format!("its pickle has {} bytes", pickle.len())));
    }
    // Owned, because the file may be a map that changes under the reader.
    let pickle = pickle.to_vec();
    let tensors = read_tensors(&pickle).map_err(|error| error.for_file(name))?;
    let mut placed = BTreeMap::new();
    for (tensor, pickled) in tensors {
        let stored = archive.place(&tensor, pickled)?;
        placed.insert(tensor, stored);
    }
    Ok(placed)
}

struct Archive<'a> {
    name: &'a str,
    bytes: &'a [u8],
    /// The top folder with its slash.
    root: String,
    directory: Directory,
}

impl<'a> Archive<'a> {
    fn entry(&self, entry: &str) -> Result<Option<&'a [u8]>> {
        let path = format!("{}{entry}", self.root);
        let range = self.directory.stored_range(self.name, self.bytes, &path)?;
        Ok(range.and_then(|range| self.bytes.get(range)))
    }

    fn check_byte_order(&self) -> Result<()> {
        match self.entry("byteorder")? {
            None | Some(b"little") => Ok(()),
            Some(_) => Err(invalid(self.name, "its numbers are big-endian")
                .with_hint("Save it again on a little-endian machine.")),
        }
    }

    fn place(&self, tensor: &str, pickled: PickledTensor) -> Result<Stored> {
        let entry = format!("{}data/{}", self.root, pickled.storage);
        let range = self.directory.stored_range(self.name, self.bytes, &entry)?;
        let range = range.ok_or_else(|| {
            invalid(self.name, format!("tensor {tensor} needs the entry {entry}, which is absent"))
        })?;
        let item = pickled.dtype.bitsize() / 8;
        let available = (range.len() / item).min(pickled.storage_elements);
        let needed = span(&pickled.shape, &pickled.strides)
            .and_then(|elements| elements.checked_add(pickled.offset));
        // A stride of 0 repeats elements, so a small file could ask for a tensor of any size.
        let fits = [needed, element_count(&pickled.shape)]
            .iter()
            .all(|count| count.is_some_and(|count| count <= available));
        if !fits {
            let what = format!(
                "tensor {tensor} of shape {:?} does not fit its storage of {available} elements",
                pickled.shape
            );
            return Err(invalid(self.name, what));
        }
        Ok(Stored {
            source: 0,
            dtype: pickled.dtype,
            start: range.start + pickled.offset * item,
            shape: pickled.shape,
            strides: pickled.strides,
        })
    }
}

/// The top folder: what stands before `data.pkl`.
fn root_folder(name: &str, directory: &Directory) -> Result<String> {
    let mut roots = directory.names().filter_map(|entry| entry.strip_suffix("data.pkl"));
    match (roots.next(), roots.next()) {
        (Some(root), None) if root.is_empty() || root.ends_with('/') => Ok(root.to_owned()),
        _ => Err(invalid(name, "this zip archive has no data.pkl of its own, as PyTorch writes")
            .with_hint("If the weights are inside the archive, unpack it first.")),
    }
}

/// How much of an archive without an end is missing: its first entry is the pickle, and the
/// pickle says how large the storages are.
fn missing_bytes(bytes: &[u8]) -> Missing {
    let Some((entry, start)) = first_entry(bytes) else {
        return Missing::Unknown;
    };
    let pickle = bytes.get(start..).unwrap_or_default();
    let pickle = pickle.get(..MAX_PICKLE_BYTES).unwrap_or(pickle).to_vec();
    if !entry.ends_with("data.pkl") {
        return Missing::Unknown;
    }
    let Ok(tensors) = read_tensors(&pickle) else {
        return Missing::Unknown;
    };
    let storages: BTreeMap<_, _> = tensors
        .into_values()
        .map(|tensor| {
            let item = tensor.dtype.bitsize() as u64 / 8;
            (tensor.storage, (tensor.storage_elements as u64).saturating_mul(item))
        })
        .collect();
    let expected = storages.into_values().fold(start as u64, u64::saturating_add);
    match expected.checked_sub(bytes.len() as u64) {
        Some(missing) if missing > 0 => Missing::AtLeast(missing),
        _ => Missing::Unknown,
    }
}
