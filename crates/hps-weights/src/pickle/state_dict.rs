//! Finding the tensors among a pickle's objects.

use std::collections::{BTreeMap, HashSet};

use super::value::{Arena, Id, Object};
use super::{PickleError, PickledTensor, machine};

/// Tensors by name; a dictionary within a dictionary contributes `outer.inner`.
pub(crate) type NamedTensors = BTreeMap<String, PickledTensor>;

/// How deep dictionaries are searched: optimiser states are the deepest, with 4.
const MAX_DEPTH: usize = 6;

/// The most tensors of a file; the largest models have some thousands.
const MAX_TENSORS: usize = 1 << 17;

/// The longest name of a tensor, in bytes.
const MAX_NAME_BYTES: usize = 1024;

/// Reads a pickle whose root is a dictionary and collects the tensors in it and in dictionaries
/// within it. Other values (epoch numbers, optimiser settings) are skipped.
///
/// # Errors
///
/// [`PickleError::Code`] when the pickle names a function or class beyond the known ones,
/// [`PickleError::Damaged`] when it is not well formed, [`PickleError::Content`] when its root is no
/// dictionary or a name is no text.
pub(crate) fn read_tensors(pickle: &[u8]) -> Result<NamedTensors, PickleError> {
    let program = machine::run(pickle)?;
    if !matches!(program.arena.get(program.root), Object::Dict(_)) {
        return Err(PickleError::Content("the file holds no dictionary of tensors"));
    }
    let mut search = Search { arena: &program.arena, seen: HashSet::new(), found: BTreeMap::new() };
    search.visit("", program.root, MAX_DEPTH)?;
    Ok(search.found)
}

struct Search<'p, 'a> {
    arena: &'p Arena<'a>,
    /// Dictionaries that were visited: a shared or cyclic one is searched once.
    seen: HashSet<Id>,
    found: NamedTensors,
}

impl Search<'_, '_> {
    fn visit(&mut self, prefix: &str, dictionary: Id, depth: usize) -> Result<(), PickleError> {
        let arena = self.arena;
        let Object::Dict(entries) = arena.get(dictionary) else {
            return Ok(());
        };
        if depth == 0 || !self.seen.insert(dictionary) {
            return Ok(());
        }
        for &(key, value) in entries {
            match arena.get(value) {
                Object::Tensor { .. } => {
                    let name = join(prefix, &self.key(key)?)?;
                    let tensor = self.tensor(value)?;
                    self.found.insert(name, tensor);
                    if self.found.len() > MAX_TENSORS {
                        return Err(PickleError::Content("the file has too many tensors"));
                    }
                }
                Object::Dict(_) => {
                    let name = join(prefix, &self.key(key)?)?;
                    self.visit(&name, value, depth - 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn key(&self, key: Id) -> Result<String, PickleError> {
        match self.arena.get(key) {
            Object::Text(text) if text.len() <= MAX_NAME_BYTES => Ok((*text).to_owned()),
            Object::Text(_) => Err(PickleError::Content("a tensor's name is too long")),
            Object::Int(number) => Ok(number.to_string()),
            _ => Err(PickleError::Content("a tensor's name is no text")),
        }
    }

    fn tensor(&self, tensor: Id) -> Result<PickledTensor, PickleError> {
        let Object::Tensor { storage, offset, shape, strides } = self.arena.get(tensor) else {
            return Err(PickleError::Content("a tensor is missing"));
        };
        let &Object::Storage { dtype, key, elements } = self.arena.get(*storage) else {
            return Err(PickleError::Content("a tensor without storage"));
        };
        if key.len() > MAX_NAME_BYTES {
            return Err(PickleError::Content("a storage's name is too long"));
        }
        Ok(PickledTensor {
            storage: key.to_owned(),
            storage_elements: elements,
            dtype,
            offset: *offset,
            shape: shape.clone(),
            strides: strides.clone(),
        })
    }
}

fn join(prefix: &str, key: &str) -> Result<String, PickleError> {
    let name = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    if name.len() > MAX_NAME_BYTES {
        return Err(PickleError::Content("a tensor's name is too long"));
    }
    Ok(name)
}
