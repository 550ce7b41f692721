//! Models that are split into several files.
//!
//! `model.safetensors.index.json` maps each tensor to the file that holds it:
//! `{"metadata": …, "weight_map": {"tensor": "model-00001-of-00002.safetensors", …}}`.

use std::collections::{BTreeMap, BTreeSet};

use hps_core::Result;
use serde::Deserialize;

use super::Checkpoint;
use crate::format::Format;
use crate::invalid::invalid;
use crate::names::Layout;

/// The largest index that is read, in bytes.
const MAX_INDEX_BYTES: usize = 64 << 20;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Whether the bytes may be an index: JSON with an object at its top. (The length that begins a
/// safetensors file can look like a brace too, but is followed by zeros.)
pub(super) fn is_index(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{") && bytes.get(4..8) != Some(&[0; 4])
}

/// Opens all files of an index. `open` gets the names in the index, which have no folders.
pub(crate) fn open(
    name: &str,
    index: &[u8],
    open: impl Fn(&str) -> Result<Checkpoint>,
) -> Result<Checkpoint> {
    if index.len() > MAX_INDEX_BYTES {
        return Err(invalid(name, format!("its index has {} bytes", index.len())));
    }
    let index: Index = serde_json::from_slice(index).map_err(|error| {
        invalid(name, "this JSON is no index of weights files")
            .with_source(error)
            .with_hint("An index maps tensors to files under the key weight_map.")
    })?;
    let files: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
    let mut whole = Checkpoint {
        name: name.to_owned(),
        format: Format::SafeTensors,
        layout: Layout::detect([]),
        canonical: false,
        sources: Vec::new(),
        tensors: BTreeMap::new(),
    };
    for file in files {
        if file.is_empty() || file.contains(['/', '\\']) || file.starts_with('.') {
            return Err(invalid(name, format!("its index names the file {file:?}")));
        }
        whole.add(open(file)?)?;
    }
    if let Some((tensor, file)) = index.weight_map.iter().find(|(t, _)| !whole.contains(t)) {
        return Err(invalid(name, format!("tensor {tensor} is not in {file}")));
    }
    whole.layout = Layout::detect(whole.tensors.keys().map(String::as_str));
    Ok(whole)
}

impl Checkpoint {
    /// Adds the tensors of another file.
    fn add(&mut self, other: Checkpoint) -> Result<()> {
        let offset = self.sources.len();
        self.format = other.format;
        self.sources.extend(other.sources);
        for (tensor, mut entry) in other.tensors {
            entry.parts.iter_mut().for_each(|part| part.source += offset);
            if self.tensors.insert(tensor.clone(), entry).is_some() {
                let what = format!("tensor {tensor} is in {} and in another file", other.name);
                return Err(self.invalid(what));
            }
        }
        Ok(())
    }
}
