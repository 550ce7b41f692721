//! A weights file as named tensors.

mod check;
mod convert;
mod read;
mod shards;
mod stored;
mod var_builder;

use std::collections::BTreeMap;
use std::path::Path;

use hps_core::Result;
use safetensors::Dtype;

pub use check::TensorSpec;
pub(crate) use stored::{MAX_RANK, Stored, element_count, span};

use crate::format::{Format, Sniffed, sniff};
use crate::names::{Layout, Recipe};
use crate::pickle::bare_pickle_error;
use crate::safetensors_header::read_header;
use crate::source::{MemoryBytes, Source};
use crate::torch_zip::read_archive;

/// A read-only view of the tensors in a weights file.
///
/// Opening reads only the header. Tensors are converted when they are asked for, straight from
/// the mapped file, and the pages they were read from are handed back to the system.
///
/// A checkpoint is cheap to clone: clones share the file.
///
/// ```no_run
/// use hps_weights::Checkpoint;
///
/// # fn main() -> hps_core::Result<()> {
/// let checkpoint = Checkpoint::open("HPS_v2.1_compressed.pt")?.canonical()?;
/// println!("{}: {} tensors, {}", checkpoint.format(), checkpoint.len(), checkpoint.layout());
/// let projection = checkpoint.values("visual.proj")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoint {
    name: String,
    format: Format,
    layout: Layout,
    /// Whether the names are open_clip's already; `layout` says what the file calls them.
    canonical: bool,
    sources: Vec<Source>,
    tensors: BTreeMap<String, Entry>,
}

/// Type and shape of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// The type of the stored elements. Only `F16`, `BF16`, `F32` and `F64` can be loaded.
    pub dtype: Dtype,
    /// The size of each dimension.
    pub shape: Vec<usize>,
}

/// One tensor: stored tensors joined along their first dimension, usually a single one.
#[derive(Clone, Debug)]
struct Entry {
    info: TensorInfo,
    parts: Vec<Stored>,
}

impl From<Stored> for Entry {
    fn from(stored: Stored) -> Self {
        let info = TensorInfo { dtype: stored.dtype, shape: stored.shape.clone() };
        Entry { info, parts: vec![stored] }
    }
}

impl Checkpoint {
    /// Opens the weights file at `path`: safetensors, what `torch.save` writes, or the
    /// `.index.json` of a model that is split into several safetensors files. The content decides
    /// which, not the name.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::NotFound`] and [`hps_core::ErrorKind::Io`] when the file cannot be
    /// read, [`hps_core::ErrorKind::InvalidWeights`] when it is damaged, cut short, contains code
    /// or is something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let source = Source::open(path)?;
        if shards::is_index(source.as_slice()) {
            let folder = path.parent().unwrap_or(Path::new(""));
            return shards::open(&path.display().to_string(), source.as_slice(), |file| {
                Checkpoint::open_single(&folder.join(file))
            });
        }
        Checkpoint::from_source(path.display().to_string(), source)
    }

    fn open_single(path: &Path) -> Result<Self> {
        Checkpoint::from_source(path.display().to_string(), Source::open(path)?)
    }

    /// Reads weights that are in memory; `name` stands for them in messages.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidWeights`] as for [`Checkpoint::open`].
    pub fn from_bytes(name: impl Into<String>, bytes: impl Into<MemoryBytes>) -> Result<Self> {
        Checkpoint::from_source(name.into(), Source::Memory(bytes.into()))
    }

    fn from_source(name: String, source: Source) -> Result<Self> {
        let bytes = source.as_slice();
        let (format, stored) = match sniff(&name, bytes)? {
            Sniffed::Weights(Format::SafeTensors) => {
                (Format::SafeTensors, read_header(&name, bytes)?)
            }
            Sniffed::Weights(Format::PyTorch) => (Format::PyTorch, read_archive(&name, bytes)?),
            Sniffed::BarePickle => return Err(bare_pickle_error(&name, bytes)),
        };
        source.release(&(0..bytes.len()));
        let layout = Layout::detect(stored.keys().map(String::as_str));
        let tensors = stored.into_iter().map(|(name, stored)| (name, stored.into())).collect();
        tracing::debug!(file = name, %format, %layout, "opened weights");
        Ok(Checkpoint { name, format, layout, canonical: false, sources: vec![source], tensors })
    }

    /// The same tensors under open_clip's names, whatever the file calls them. See [`Layout`] for
    /// what is recognised; the names of other models lose only a wrapper that all of them have.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidWeights`] when tensors that belong together differ in shape.
    pub fn canonical(&self) -> Result<Checkpoint> {
        if self.canonical {
            return Ok(self.clone());
        }
        let recipes = self.layout.recipes(self.tensors.keys().map(String::as_str));
        let mut tensors = BTreeMap::new();
        for (name, recipe) in recipes {
            let entry = self.cook(&name, &recipe)?;
            tensors.insert(name, entry);
        }
        Ok(Checkpoint { tensors, canonical: true, ..self.clone() })
    }

    fn cook(&self, name: &str, recipe: &Recipe) -> Result<Entry> {
        match recipe {
            Recipe::Plain(source) => self.entry(source).cloned(),
            Recipe::Transposed(source) => {
                let mut entry = self.entry(source)?.clone();
                entry.parts = entry.parts.into_iter().map(Stored::transposed).collect();
                if let [part] = entry.parts.as_slice() {
                    entry.info.shape.clone_from(&part.shape);
                }
                Ok(entry)
            }
            Recipe::Concat(sources) => {
                let entries = sources.iter().map(|source| self.entry(source));
                self.concatenate(name, &entries.collect::<Result<Vec<_>>>()?)
            }
        }
    }

    fn concatenate(&self, name: &str, entries: &[&Entry]) -> Result<Entry> {
        let rows = |entry: &Entry| entry.info.shape.split_first().map(|(a, b)| (*a, b.to_vec()));
        let split: Option<Vec<_>> = entries.iter().map(|entry| rows(entry)).collect();
        let split = split.unwrap_or_default();
        let Some((first, (_, inner))) = entries.first().zip(split.first()) else {
            return Err(self.invalid(format!("the parts of {name} are scalars")));
        };
        if split.iter().any(|(_, other)| other != inner) {
            let shapes: Vec<_> = entries.iter().map(|entry| &entry.info.shape).collect();
            return Err(self.invalid(format!("the parts of {name} have shapes {shapes:?}")));
        }
        let total = split.iter().try_fold(0usize, |total, (rows, _)| total.checked_add(*rows));
        let shape: Vec<_> = total.into_iter().chain(inner.iter().copied()).collect();
        if shape.len() != inner.len() + 1 || element_count(&shape).is_none() {
            return Err(self.invalid(format!("the parts of {name} are too large")));
        }
        let parts = entries.iter().flat_map(|entry| entry.parts.iter().cloned()).collect();
        Ok(Entry { info: TensorInfo { dtype: first.info.dtype, shape }, parts })
    }

    /// What stands for the file in messages: its path, or the name given to
    /// [`Checkpoint::from_bytes`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How the file names its tensors.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Whether there is a tensor called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Type and shape of the tensor called `name`.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name).map(|entry| &entry.info)
    }

    /// All tensors, ordered by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors.iter().map(|(name, entry)| (name.as_str(), &entry.info))
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        self.tensors.get(name).ok_or_else(|| self.invalid(format!("there is no tensor {name}")))
    }

    fn invalid(&self, what: String) -> hps_core::Error {
        crate::invalid::invalid(&self.name, what)
    }
}
