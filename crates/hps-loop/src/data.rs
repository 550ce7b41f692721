//! Comparisons of pictures by people, and the pictures in a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hps_core::{Error, ErrorKind, Result};
use hps_reward::decode::{DecodeOptions, decode_file, identify_file};
use hps_reward::preprocess::{ResizePolicy, longest_side};
use rayon::prelude::*;

pub use hps_train::data::{
    Batch, BrokenItem, CheckReport, Comparison, Dataset, Duplicates, Format, Loader, LoaderOptions,
    Order, PictureCheck, PictureProblem, PictureSource, Preference, ReadOptions, Sample, read,
};

/// How [`check`] works.
#[derive(Clone, Copy, Debug)]
pub struct CheckOptions<'a> {
    /// The folder that picture names are relative to.
    pub images: &'a Path,
    /// How closely pictures are looked at.
    pub decode: PictureCheck,
    /// Set to stop.
    pub cancel: &'a AtomicBool,
}

/// Looks at every picture of `data` once, on all cores, and reports what is there and
/// what is wrong. `looked_at` is called after each picture, from many threads.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] when the folder does not exist, [`ErrorKind::Interrupted`]
/// after `cancel` was set. Bad pictures are part of the report.
pub fn check(
    data: &Dataset,
    options: &CheckOptions<'_>,
    looked_at: impl Fn() + Sync,
) -> Result<CheckReport> {
    require_folder(options.images)?;
    let images = different_images(data);
    let problem = |image: &Arc<str>| {
        if options.cancel.load(Ordering::Relaxed) {
            return None;
        }
        let outcome = look_at(&options.images.join(&**image), options.decode);
        looked_at();
        let error = outcome.err()?;
        let missing = error.kind() == ErrorKind::NotFound;
        Some(PictureProblem { image: image.to_string(), missing, message: error.full_message() })
    };
    let problems: Vec<PictureProblem> = images.par_iter().filter_map(problem).collect();
    if options.cancel.load(Ordering::Relaxed) {
        let message = "stopped before all pictures were looked at";
        return Err(Error::new(ErrorKind::Interrupted, message));
    }
    Ok(CheckReport::new(data, options.decode, problems))
}

/// The different pictures of `data`, in file order.
pub fn different_images(data: &Dataset) -> Vec<Arc<str>> {
    let mut seen = std::collections::HashSet::new();
    let images = data.comparisons.iter().flat_map(|comparison| &comparison.images);
    images.filter(|image| seen.insert(Arc::clone(image))).cloned().collect()
}

/// A folder that is not there is one mistake, not one per picture.
pub(crate) fn require_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let message = format!("the image folder {} does not exist", folder.display());
    Err(Error::new(ErrorKind::NotFound, message)
        .with_hint("Name the folder that the picture names of the data are relative to."))
}

fn look_at(path: &Path, decode: PictureCheck) -> Result<()> {
    match decode {
        PictureCheck::All => decode_file(path, &DecodeOptions::default()).map(|_| ()),
        PictureCheck::Headers => identify_file(path).map(|_| ()),
        PictureCheck::None if path.is_file() => Ok(()),
        PictureCheck::None => {
            Err(Error::new(ErrorKind::NotFound, format!("{}: no such file", path.display())))
        }
    }
}

/// Pictures of a folder, decoded and resized as the HPS rewards read them.
#[derive(Clone, Debug)]
pub struct PictureFolder {
    folder: PathBuf,
    size: usize,
    policy: ResizePolicy,
    decode: DecodeOptions,
}

impl PictureFolder {
    /// The pictures in `folder` as `size` by `size` values.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when the folder does not exist.
    pub fn new(folder: impl Into<PathBuf>, size: usize, policy: ResizePolicy) -> Result<Self> {
        let folder = folder.into();
        require_folder(&folder)?;
        Ok(PictureFolder { folder, size, policy, decode: DecodeOptions::default() })
    }

    /// The same with other choices of decoding.
    #[must_use]
    pub fn with_decode(mut self, decode: DecodeOptions) -> Self {
        self.decode = decode;
        self
    }
}

impl PictureSource for PictureFolder {
    fn load(&self, image: &str) -> Result<Vec<f32>> {
        let decoded = decode_file(self.folder.join(image), &self.decode)?;
        Ok(longest_side(&decoded.image, self.size, self.policy).data)
    }

    fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("good.ppm"), b"P6 1 1 255\n\x7f\x00\xff").unwrap();
        std::fs::write(dir.path().join("cut.ppm"), b"P6 9 9 255\n\x7f").unwrap();
        std::fs::write(dir.path().join("text.ppm"), b"hello").unwrap();
        dir
    }

    fn data() -> Dataset {
        let items = ["good", "cut", "text", "none"].map(|name| {
            format!("{{\"prompt\": \"p\", \"images\": [\"{name}.ppm\"], \"label\": [1]}}")
        });
        let text = items.join("\n");
        Dataset::from_reader(text.as_bytes(), "x", &ReadOptions::default()).unwrap()
    }

    #[test]
    fn each_depth_of_checking_finds_more() {
        let dir = folder();
        let cancel = AtomicBool::new(false);
        let bad = |decode| {
            let options = CheckOptions { images: dir.path(), decode, cancel: &cancel };
            let report = check(&data(), &options, || ()).unwrap();
            let bad = report.bad_images.iter().map(|bad| (bad.image.to_string(), bad.missing));
            bad.collect::<Vec<_>>()
        };
        let cut = ("cut.ppm".to_owned(), false);
        let text = ("text.ppm".to_owned(), false);
        let none = ("none.ppm".to_owned(), true);
        assert_eq!(bad(PictureCheck::None), std::slice::from_ref(&none));
        assert_eq!(bad(PictureCheck::Headers), [text.clone(), none.clone()]);
        assert_eq!(bad(PictureCheck::All), [cut, text, none]);
    }

    #[test]
    fn a_missing_folder_and_a_stop_are_errors() {
        let dir = folder();
        let run = |images: &Path, cancelled| {
            let cancel = AtomicBool::new(cancelled);
            let options = CheckOptions { images, decode: PictureCheck::None, cancel: &cancel };
            check(&data(), &options, || ()).unwrap_err().kind()
        };
        assert_eq!(run(&dir.path().join("no"), false), ErrorKind::NotFound);
        assert_eq!(run(dir.path(), true), ErrorKind::Interrupted);
    }

    #[test]
    fn pictures_are_preprocessed_as_rewards_do() {
        let dir = folder();
        let pictures = PictureFolder::new(dir.path(), 4, ResizePolicy::default()).unwrap();
        let loaded = pictures.load("good.ppm").unwrap();
        let decoded = decode_file(dir.path().join("good.ppm"), &DecodeOptions::default()).unwrap();
        let expected = longest_side(&decoded.image, 4, ResizePolicy::default());
        assert_eq!((loaded.len(), &loaded), (48, &expected.data));
        assert!(pictures.load("cut.ppm").is_err());
        assert!(PictureFolder::new(dir.path().join("no"), 4, ResizePolicy::default()).is_err());
    }
}
