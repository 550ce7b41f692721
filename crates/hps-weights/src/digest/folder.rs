//! The digest of a model: one file, or a folder's weight and configuration files.

use hps_core::{Error, ErrorKind, Result};

use super::{Digest, DigestCache, bytes, file};
use crate::files::ModelFiles;

/// The digest of a model's weight and configuration files (see the [module](super)). For a model
/// that is a single file, that file's digest.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] when there are no such files, [`ErrorKind::Io`] when one cannot be
/// read.
pub fn model(files: &ModelFiles) -> Result<Digest> {
    lines(files, |path| file(path))
}

/// Like [`model`], asking `cache` before reading files from disk, and updating it.
///
/// # Errors
///
/// As for [`model`]. A cache that cannot be read or written costs time, not the result.
pub fn model_cached(files: &ModelFiles, cache: &mut DigestCache) -> Result<Digest> {
    lines(files, |path| cache.file(path))
}

fn lines(
    files: &ModelFiles,
    mut hash_file: impl FnMut(&std::path::Path) -> Result<Digest>,
) -> Result<Digest> {
    if let Some(path) = files.as_single_file() {
        return hash_file(path);
    }
    let names = files.list()?;
    if names.is_empty() {
        let what = format!("{files} holds no weight or configuration files");
        return Err(Error::new(ErrorKind::NotFound, what)
            .with_hint("A model folder holds .safetensors and .json files."));
    }
    let mut text = String::new();
    for name in names {
        let digest = match files.disk_path(&name)? {
            Some(path) => hash_file(&path)?,
            None => bytes(&files.read(&name)?),
        };
        text.push_str(&format!("{name}\t{digest}\n"));
    }
    Ok(bytes(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn folders_and_memory_agree_and_other_files_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("unet")).unwrap();
        std::fs::create_dir(dir.path().join(".cache")).unwrap();
        let contents: [(&str, &'static [u8]); 5] = [
            ("model_index.json", b"{}"),
            ("unet/diffusion_pytorch_model.safetensors", b"weights"),
            ("unet/config.json", b"{\"a\":1}"),
            ("README.md", b"about"),
            (".cache/x.json", b"{}"),
        ];
        for (name, content) in contents {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let mut expected = String::new();
        for index in [0, 2, 1] {
            let (name, content) = contents[index];
            expected.push_str(&format!("{name}\t{}\n", bytes(content)));
        }
        let expected = bytes(expected.as_bytes());
        assert_eq!(model(&ModelFiles::open(dir.path()).unwrap()).unwrap(), expected);
        let memory = contents.map(|(name, content)| (name.to_owned(), content));
        let memory = ModelFiles::memory("demo", BTreeMap::from(memory));
        assert_eq!(model(&memory).unwrap(), expected);
    }

    #[test]
    fn a_single_file_is_its_own_digest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.pt");
        std::fs::write(&path, b"abc").unwrap();
        let files = ModelFiles::open(&path).unwrap();
        assert_eq!(model(&files).unwrap(), bytes(b"abc"));
        let empty = tempfile::tempdir().unwrap();
        let error = model(&ModelFiles::open(empty.path()).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
