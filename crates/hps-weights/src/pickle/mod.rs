//! Reading PyTorch's pickles as data.
//!
//! A pickle is a program for a stack machine, and Python runs whatever function it names. This
//! reader knows the instructions that build data and the few names that PyTorch uses for tensors
//! ([`global`]); any other name ends the reading with an error, and nothing is ever called.
//!
//! # Bounds
//!
//! Pickles come from strangers. Objects live in one arena and refer to each other by index, so
//! neither depth nor sharing costs stack or copies; text is borrowed from the pickle; every
//! instruction adds at most one object, and there is a limit on objects and on the pickle's size.
//! Memory is therefore proportional to the input, whatever lengths and counts it claims.
//!
//! The instruction set is that of Python's `pickletools`, protocols 0 to 5.

mod global;
mod input;
mod machine;
mod opcode;
mod rebuild;
mod state_dict;
mod value;

use std::fmt;

use hps_core::Error;
use safetensors::Dtype;

use crate::format::not_weights;
use crate::invalid::invalid;

pub(crate) use state_dict::read_tensors;

/// The largest pickle that is read, in bytes. A state dict takes about 120 bytes for each tensor.
pub(crate) const MAX_PICKLE_BYTES: usize = 64 << 20;

/// A tensor that a pickle describes; its bytes are elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PickledTensor {
    /// Name of the storage that holds the elements.
    pub(crate) storage: String,
    /// Elements in that storage.
    pub(crate) storage_elements: usize,
    pub(crate) dtype: Dtype,
    /// Index of the first element in the storage.
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

/// Why a pickle cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PickleError {
    /// It names a function or class that is not plain tensor data.
    Code(String),
    /// It is not well formed, or uses instructions that PyTorch does not.
    Damaged { at: usize, what: String },
    /// It is well formed but does not describe tensors by name.
    Content(&'static str),
}

impl fmt::Display for PickleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PickleError::Code(name) => {
                write!(f, "the file contains code: it refers to {name}, which was not executed")
            }
            PickleError::Damaged { at, what } => {
                write!(f, "its pickle is damaged at byte {at}: {what}")
            }
            PickleError::Content(what) => f.write_str(what),
        }
    }
}

impl PickleError {
    /// The error for a user who wants to load `file`.
    pub(crate) fn for_file(self, file: &str) -> Error {
        let hint = match &self {
            PickleError::Code(name) if name.starts_with("__torch__") => {
                "This is a TorchScript archive. Load it with torch.jit.load and save its \
                 state_dict() with torch.save."
            }
            PickleError::Code(_) => {
                "Only tensors are read. If you trust the file's origin, load it in Python and save \
                 just its state_dict(), best as safetensors."
            }
            PickleError::Damaged { .. } => {
                "Download or copy the file again, and compare its digest."
            }
            PickleError::Content(_) => {
                "A weights file is what torch.save writes for a model's state_dict()."
            }
        };
        invalid(file, self).with_hint(hint)
    }
}

/// The error for a pickle that is not in a zip archive: what it is, or the code that it names.
pub(crate) fn bare_pickle_error(file: &str, bytes: &[u8]) -> Error {
    let bytes = bytes.get(..MAX_PICKLE_BYTES).unwrap_or(bytes);
    // The pre-1.6 format is four pickles and then the storages.
    let mut rest = bytes;
    for _ in 0..4 {
        match machine::run(rest) {
            Ok(program) => rest = rest.get(program.length..).unwrap_or_default(),
            Err(error @ PickleError::Code(_)) => return error.for_file(file),
            Err(_) => break,
        }
    }
    if !bytes.starts_with(&[0x80]) && rest.len() == bytes.len() {
        return not_weights(file, bytes);
    }
    invalid(file, "this is a bare pickle, as PyTorch wrote before version 1.6").with_hint(
        "Load it with a current PyTorch and save it again with torch.save, or as safetensors.",
    )
}

#[cfg(test)]
mod tests;
