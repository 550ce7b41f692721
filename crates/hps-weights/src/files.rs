//! The files of a model, wherever they are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use hps_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;

use crate::checkpoint::Checkpoint;
use crate::source::open_error;

/// What model folders hold, for hints.
const FOLDER_HINT: &str = "A model folder holds model_index.json or config.json, and weights such \
    as model.safetensors, in subfolders unet, vae and text_encoder for diffusion models.";

/// Endings of weights files, the preferred first.
const WEIGHT_ENDINGS: [&str; 7] = [
    ".safetensors",
    ".safetensors.index.json",
    ".fp16.safetensors",
    ".bin",
    ".fp16.bin",
    ".pt",
    ".pth",
];

/// Extensions of files that decide what a model computes, beside its weights.
const CONFIG_EXTENSIONS: [&str; 3] = ["json", "txt", "model"];

/// How deep subfolders are searched.
const MAX_DEPTH: usize = 8;

/// A model's files: a folder, a single file, or bytes built into the program.
///
/// Names are relative to the model and use `/`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ModelFiles {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Folder(Arc<Path>),
    File(Arc<Path>),
    Memory { name: Arc<str>, files: Arc<BTreeMap<String, &'static [u8]>> },
}

impl ModelFiles {
    /// The folder or the single file at `path`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is nothing, [`ErrorKind::Io`] when it cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(|error| open_error(path, error))?;
        let place = if metadata.is_dir() { Place::Folder } else { Place::File };
        Ok(ModelFiles { place: place(path.into()) })
    }

    /// The folder at `path`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is no such folder.
    pub fn folder(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_dir() {
            let what = match path.exists() {
                true => format!("{} is a file, not a folder", path.display()),
                false => format!("there is no folder {}", path.display()),
            };
            return Err(Error::new(ErrorKind::NotFound, what).with_hint(FOLDER_HINT));
        }
        Ok(ModelFiles { place: Place::Folder(path.into()) })
    }

    /// Files built into the program, by relative name; `name` stands for the model in messages.
    pub fn memory(name: impl Into<String>, files: BTreeMap<String, &'static [u8]>) -> Self {
        let name: String = name.into();
        ModelFiles { place: Place::Memory { name: name.into(), files: files.into() } }
    }

    /// The path of a model on disk; `None` for one built into the program.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(path) | Place::File(path) => Some(path),
            Place::Memory { .. } => None,
        }
    }

    /// The path of a model that is a single file.
    pub fn as_single_file(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            _ => None,
        }
    }

    /// Whether there is a file called `name`.
    pub fn contains(&self, name: &str) -> bool {
        match &self.place {
            Place::Memory { files, .. } => files.contains_key(name),
            _ => self.disk_path(name).is_ok_and(|path| path.is_some_and(|path| path.is_file())),
        }
    }

    /// The content of the file called `name`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is no such file, [`ErrorKind::Io`] when it cannot be
    /// read, [`ErrorKind::InvalidInput`] when the name leaves the model's folder.
    pub fn read(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        if let Place::Memory { files, .. } = &self.place {
            return files.get(name).map(|bytes| Cow::Borrowed(*bytes)).ok_or_else(|| self.no(name));
        }
        let path = self.disk_path(name)?.filter(|path| path.exists());
        let path = path.ok_or_else(|| self.no(name))?;
        std::fs::read(&path).map(Cow::Owned).map_err(|error| open_error(&path, error))
    }

    /// The JSON file called `name` as a `T`.
    ///
    /// # Errors
    ///
    /// As for [`ModelFiles::read`], and [`ErrorKind::InvalidConfig`] when the content is no `T`.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(&self.read(name)?).map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, format!("{name} of {self}: {error}"))
                .with_source(error)
                .with_hint("The file is damaged or belongs to a different kind of model.")
        })
    }

    /// The weights file called `name`; for a model that is a single file, that file.
    ///
    /// # Errors
    ///
    /// As for [`ModelFiles::read`] and [`Checkpoint::open`].
    pub fn checkpoint(&self, name: &str) -> Result<Checkpoint> {
        match &self.place {
            Place::File(path) => Checkpoint::open(path),
            Place::Folder(_) => match self.disk_path(name)?.filter(|path| path.exists()) {
                Some(path) => Checkpoint::open(path),
                None => Err(self.no(name)),
            },
            Place::Memory { name: model, files } => {
                let bytes = *files.get(name).ok_or_else(|| self.no(name))?;
                Checkpoint::from_bytes(format!("{model}/{name}"), bytes)
            }
        }
    }

    /// The name of the weights file in the subfolder `folder` (empty for the model's own), whose
    /// name without ending is one of `stems`, e.g. `diffusion_pytorch_model`. Earlier stems and,
    /// among the files of a stem, safetensors and full precision are preferred.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] naming what was looked for.
    pub fn find_weights(&self, folder: &str, stems: &[&str]) -> Result<String> {
        let slash = if folder.is_empty() { "" } else { "/" };
        let names = stems.iter().flat_map(|stem| {
            WEIGHT_ENDINGS.iter().map(move |ending| format!("{folder}{slash}{stem}{ending}"))
        });
        names.clone().find(|name| self.contains(name)).ok_or_else(|| {
            let looked: Vec<_> = stems.iter().map(|s| format!("{folder}{slash}{s}")).collect();
            let what =
                format!("{self} has no weights {}.safetensors", looked.join(".safetensors or "));
            Error::new(ErrorKind::NotFound, what).with_hint(FOLDER_HINT)
        })
    }

    /// The names of all weight and configuration files, sorted. Hidden files and folders are
    /// left out, as are all other kinds of files (pictures, documentation).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when a folder cannot be read.
    pub fn list(&self) -> Result<Vec<String>> {
        let mut names = match &self.place {
            Place::Memory { files, .. } => files.keys().cloned().collect(),
            Place::File(path) => {
                path.file_name().iter().map(|name| name.to_string_lossy().into_owned()).collect()
            }
            Place::Folder(path) => {
                let mut names = Vec::new();
                walk(path, "", MAX_DEPTH, &mut names)?;
                names
            }
        };
        names.retain(|name| is_model_file(name));
        names.sort_unstable();
        Ok(names)
    }

    /// Where the file called `name` would be on disk; `None` for models in memory.
    pub(crate) fn disk_path(&self, name: &str) -> Result<Option<PathBuf>> {
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !inside || name.is_empty() {
            let what = format!("'{name}' is no file name within {self}");
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        Ok(match &self.place {
            Place::Folder(path) => Some(path.join(name)),
            // A single file has no neighbours: files beside it belong to other models.
            Place::File(path) if path.file_name().is_some_and(|own| own == name) => {
                Some(path.to_path_buf())
            }
            Place::File(_) | Place::Memory { .. } => None,
        })
    }

    fn no(&self, name: &str) -> Error {
        Error::new(ErrorKind::NotFound, format!("{self} has no file {name}")).with_hint(FOLDER_HINT)
    }
}

impl fmt::Display for ModelFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(path) | Place::File(path) => write!(f, "{}", path.display()),
            Place::Memory { name, .. } => f.write_str(name),
        }
    }
}

fn is_model_file(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.'));
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    !hidden
        && (WEIGHT_ENDINGS.iter().any(|ending| name.ends_with(ending))
            || CONFIG_EXTENSIONS.contains(&extension))
}

fn walk(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) -> Result<()> {
    let fail = |error| open_error(folder, error);
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let full = format!("{prefix}{name}");
        // Follows links: hub caches link every file to a store of blobs.
        let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
        if metadata.is_file() {
            names.push(full);
        } else if depth > 1 {
            walk(&entry.path(), &format!("{full}/"), depth - 1, names)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn write(folder: &Path, name: &str, content: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    #[test]
    fn folders_and_memory_behave_alike() {
        let dir = tempfile::tempdir().unwrap();
        let files: [(&str, &'static str); 3] = [
            ("model_index.json", r#"{"a": 7}"#),
            ("unet/diffusion_pytorch_model.fp16.safetensors", "x"),
            ("unet/notes.md", "x"),
        ];
        files.iter().for_each(|(name, content)| write(dir.path(), name, content));
        let memory = files.map(|(name, content)| (name.to_owned(), content.as_bytes()));
        for model in [
            ModelFiles::folder(dir.path()).unwrap(),
            ModelFiles::memory("demo", BTreeMap::from(memory)),
        ] {
            assert!(model.contains("model_index.json") && !model.contains("unet"));
            let json: BTreeMap<String, u32> = model.read_json("model_index.json").unwrap();
            assert_eq!(json["a"], 7);
            assert_eq!(model.list().unwrap(), [files[0].0, files[1].0]);
            let stems = ["diffusion_pytorch_model", "model"];
            assert_eq!(model.find_weights("unet", &stems).unwrap(), files[1].0);
            let error = model.find_weights("", &stems).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.message().contains("model.safetensors") && error.hint().is_some());
            let error = model.read("vae/config.json").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.message().contains("vae/config.json"), "{error}");
            let error = model.read_json::<Vec<u32>>("model_index.json").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(model.checkpoint("vae/model.safetensors").is_err());
        }
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "inner/a.json", "{}");
        write(dir.path(), "b.json", "{}");
        let model = ModelFiles::folder(dir.path().join("inner")).unwrap();
        let absolute = dir.path().join("b.json");
        for name in ["../b.json", "x/../../b.json", "/b.json", "", absolute.to_str().unwrap()] {
            assert!(!model.contains(name), "{name}");
            assert_eq!(model.read(name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
        }
    }

    #[test]
    fn single_files_have_no_neighbours() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "w.pt", "x");
        write(dir.path(), "config.json", "{}");
        let model = ModelFiles::open(dir.path().join("w.pt")).unwrap();
        assert!(model.contains("w.pt") && !model.contains("config.json"));
        assert_eq!(model.list().unwrap(), ["w.pt"]);
        assert_eq!(model.as_single_file(), model.path());
        let error = ModelFiles::open(dir.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
