//! Pictures that are decoded once and read every epoch.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use hps_core::{Image, Result};
use hps_reward::decode::{DecodeOptions, decode_file};
use hps_reward::preprocess::{ResizePolicy, longest_side};
use hps_train::data::PictureSource;

use crate::data::require_folder;

/// Pictures of a folder, resized as the HPS rewards read them, and kept in memory as
/// far as a budget allows.
///
/// Nothing that is kept is ever dropped for something else: in an order that is
/// shuffled anew every epoch, the next picture may be any. What is kept is whatever is
/// smaller, the bytes of the decoded picture or the numbers the model reads.
pub struct CachedPictures {
    folder: PathBuf,
    size: usize,
    policy: ResizePolicy,
    budget: u64,
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    bytes: u64,
    pictures: HashMap<String, Picture>,
}

#[derive(Clone)]
enum Picture {
    Decoded(Arc<Image>),
    Pixels(Arc<[f32]>),
}

impl Picture {
    fn bytes(&self) -> u64 {
        let bytes = match self {
            Picture::Decoded(image) => image.as_rgb8().len(),
            Picture::Pixels(pixels) => size_of_val(&**pixels),
        };
        bytes as u64
    }
}

impl CachedPictures {
    /// The pictures in `folder` as `size` by `size` values, of which at most `budget`
    /// bytes are kept.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::NotFound`] when the folder does not exist.
    pub fn new(
        folder: impl Into<PathBuf>,
        size: usize,
        policy: ResizePolicy,
        budget: u64,
    ) -> Result<Self> {
        let folder = folder.into();
        require_folder(&folder)?;
        Ok(CachedPictures { folder, size, policy, budget, kept: RwLock::default() })
    }

    fn pixels(&self, image: &Image) -> Vec<f32> {
        longest_side(image, self.size, self.policy).data
    }

    fn keep(&self, name: &str, picture: Picture) {
        let bytes = picture.bytes();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + bytes <= self.budget && !kept.pictures.contains_key(name) {
            kept.bytes += bytes;
            kept.pictures.insert(name.to_owned(), picture);
        }
    }
}

impl PictureSource for CachedPictures {
    fn load(&self, image: &str) -> Result<Vec<f32>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let found = kept.pictures.get(image).cloned();
        drop(kept);
        match found {
            Some(Picture::Decoded(image)) => return Ok(self.pixels(&image)),
            Some(Picture::Pixels(pixels)) => return Ok(pixels.to_vec()),
            None => {}
        }
        let decoded = decode_file(self.folder.join(image), &DecodeOptions::default())?.image;
        let pixels = self.pixels(&decoded);
        let smaller = if decoded.as_rgb8().len() < size_of_val(&*pixels) {
            Picture::Decoded(Arc::new(decoded))
        } else {
            Picture::Pixels(pixels.as_slice().into())
        };
        self.keep(image, smaller);
        Ok(pixels)
    }

    fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_kept_needs_no_file_and_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let ppm = |name: &str, width: usize, level: u8| {
            let mut file = format!("P6 {width} {width} 255\n").into_bytes();
            file.extend((0..3 * width * width).map(|i| level.wrapping_add((i * 3) as u8)));
            std::fs::write(dir.path().join(name), file).unwrap();
        };
        // The decoded bytes are fewer for the first, the numbers for the second.
        ppm("small.ppm", 4, 9);
        ppm("large.ppm", 40, 7);
        ppm("other.ppm", 4, 1);
        let budget = 3 * 4 * 4 + 12 * 4 * 4;
        let pictures = CachedPictures::new(dir.path(), 4, ResizePolicy::default(), budget).unwrap();
        let names = ["small.ppm", "large.ppm", "other.ppm"];
        let first: Vec<Vec<f32>> = names.iter().map(|name| pictures.load(name).unwrap()).collect();
        names.iter().for_each(|name| std::fs::remove_file(dir.path().join(name)).unwrap());
        assert_eq!(pictures.load("small.ppm").unwrap(), first[0]);
        assert_eq!(pictures.load("large.ppm").unwrap(), first[1]);
        assert!(pictures.load("other.ppm").is_err(), "beyond the budget");
    }
}
