//! Reads what a picture shows, without any model.
//!
//! 1. Style and background: linear discriminant analysis on a few dozen statistics of
//!    the whole picture (colours of bands, quantiles of differences).
//! 2. Objects: every pixel is compared with the colours of the background in its row
//!    and with those of objects; connected pixels that fit an object are one.
//! 3. Colour by vote of the pixels, kind by the silhouette that overlaps most, size by
//!    area, relation by the centres.
//!
//! All parameters are measured on pictures of this world when a [`Judge`] is made. On
//! clean pictures of 64 pixels and more, each attribute is right in 99 of 100 cases and
//! more; at 32 pixels the kinds of objects are wrong in 5 of 100. The example
//! `world_judge` counts.

mod calibration;
mod check;
mod gaussian;
mod reading;
mod segment;
mod silhouette;
mod statistics;

use std::sync::LazyLock;

use hps_core::{Error, Image, Result, Style};

use self::calibration::{Calibration, Setting};
pub use self::check::{Verdict, check};
pub use self::reading::{ObjectReading, Reading};
use self::segment::Region;
use self::silhouette::Silhouettes;
use crate::damage::Pixels;
use crate::layout;
use crate::vocabulary::{Background, Size};

/// Regions of less confidence are no objects: stains of noise, coloured edges.
const MIN_CONFIDENCE: f32 = 0.3;

static DEFAULT: LazyLock<Result<Judge>> = LazyLock::new(|| Judge::new(crate::DEFAULT_SIDE));

/// Reads `image` with a judge for [`crate::DEFAULT_SIDE`], which is made at the first
/// call (about a second).
///
/// # Errors
///
/// None in practice: those of [`Judge::new`] for a side that is allowed.
pub fn read(image: &Image) -> Result<Reading> {
    match &*DEFAULT {
        Ok(judge) => Ok(judge.read(image)),
        Err(error) => Err(Error::new(error.kind(), error.message())),
    }
}

/// Reads pictures of one size; see the module.
#[derive(Clone, Debug)]
pub struct Judge {
    side: usize,
    calibration: Calibration,
    silhouettes: Silhouettes,
}

impl Judge {
    /// A judge for pictures of `side` × `side` pixels.
    ///
    /// # Errors
    ///
    /// [`hps_core::ErrorKind::InvalidInput`] where [`crate::render`] refuses the side.
    pub fn new(side: u32) -> Result<Self> {
        let (calibration, silhouettes) = (Calibration::new(side)?, Silhouettes::new());
        Ok(Judge { side: side as usize, calibration, silhouettes })
    }

    /// What `image` shows.
    ///
    /// Pictures of another size are resized by area first. That changes grain and
    /// outlines: their styles are less certain.
    pub fn read(&self, image: &Image) -> Reading {
        let pixels = Pixels::from(image).resized(self.side);
        let probabilities = self.calibration.probabilities(&pixels);
        let sum = |fits: &dyn Fn(&Setting) -> bool| {
            probabilities.iter().filter(|(s, _)| fits(s)).map(|(_, share)| share).sum::<f32>()
        };
        let style = largest(&Style::ALL, |style| sum(&|setting| setting.style == style));
        let background = largest(Background::ALL, |it| sum(&|setting| setting.background == it));
        let settings = probabilities.iter().map(|(setting, _)| setting);
        let setting =
            settings.into_iter().find(|s| s.style == style.0 && s.background == background.0);
        let regions = setting.map_or_else(Vec::new, |setting| segment::regions(&pixels, setting));
        let objects = regions.iter().map(|region| self.object(region));
        let objects = objects.filter(|object| object.confidence >= MIN_CONFIDENCE).collect();
        Reading {
            objects,
            background: background.0,
            background_confidence: background.1,
            style: style.0,
            style_confidence: style.1,
        }
    }

    fn object(&self, region: &Region) -> ObjectReading {
        let side = self.side as f32;
        let silhouette = self.silhouettes.recognise(region);
        // The geometric mean: a region may be off by the same factor either way.
        let limit = (layout::radius(Size::Small) * layout::radius(Size::Large)).sqrt();
        let size = if silhouette.radius < limit * side { Size::Small } else { Size::Large };
        let (x, y) = region.centroid();
        ObjectReading {
            kind: silhouette.kind,
            colour: region.colour,
            size,
            centre: [(x + 0.5) / side, (y + 0.5) / side],
            confidence: silhouette.overlap * region.share,
        }
    }
}

/// The option with the largest value, and the value.
fn largest<T: Copy>(options: &[T], value: impl Fn(T) -> f32) -> (T, f32) {
    let mut best = (options[0], f32::NEG_INFINITY);
    for &option in options {
        let value = value(option);
        if value > best.1 {
            best = (option, value);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use hps_core::Seed;

    use super::*;
    use crate::{Attribute, Claims, Fault, Split, World};

    /// The share of correct verdicts on whole scenes, by attribute.
    fn accuracy(count: u64, spoil: impl Fn(&mut Pixels, u64)) -> BTreeMap<Attribute, f32> {
        let mut counts: BTreeMap<Attribute, (f32, f32)> = BTreeMap::new();
        for index in 0..count {
            let split = if index.is_multiple_of(2) { Split::Train } else { Split::HeldOut };
            let picture = World::new(split, Seed(31)).captioned(index).picture;
            let mut pixels = Pixels::from(&picture.render(64).unwrap());
            spoil(&mut pixels, index);
            let reading = read(&pixels.to_image().unwrap()).unwrap();
            for verdict in check(&reading, &Claims::from(picture.scene)) {
                let (correct, all) = counts.entry(verdict.attribute).or_default();
                *correct += f32::from(u8::from(verdict.correct));
                *all += 1.0;
            }
        }
        assert_eq!(counts.len(), Attribute::ALL.len());
        counts.into_iter().map(|(attribute, (correct, all))| (attribute, correct / all)).collect()
    }

    #[test]
    fn clean_pictures_are_read_correctly() {
        let accuracy = accuracy(400, |_, _| {});
        assert!(accuracy.values().all(|&share| share >= 0.99), "{accuracy:?}");
    }

    #[test]
    fn a_little_blur_and_noise_do_not_matter() {
        let blurred = accuracy(200, |pixels, _| pixels.blur(0.8));
        assert!(blurred.values().all(|&share| share >= 0.98), "{blurred:?}");
        let noisy = accuracy(200, |pixels, index| pixels.noise(0.04, Seed(index)));
        assert!(noisy.values().all(|&share| share >= 0.95), "{noisy:?}");
    }

    #[test]
    fn the_fault_of_a_pair_is_found_and_nothing_else() {
        let (mut found, mut clean, mut all) = (0, 0, 0);
        for index in 0..300 {
            let pair = World::new(Split::Train, Seed(8)).pair(index);
            let verdicts = |picture: &crate::Picture| {
                check(&read(&picture.render(64).unwrap()).unwrap(), &pair.caption.claims)
            };
            let expected = match pair.fault {
                Fault::Wrong { attribute, object } => (attribute, object),
                Fault::Missing { .. } => (Attribute::Count, None),
                Fault::Damaged { .. } => continue,
            };
            all += 1;
            clean += u32::from(verdicts(&pair.chosen).iter().all(|verdict| verdict.correct));
            let mut wrong = verdicts(&pair.rejected);
            wrong.retain(|verdict| !verdict.correct);
            // Claims about an object that is not there are wrong as well.
            if expected.0 == Attribute::Count {
                wrong.retain(|verdict| verdict.attribute == Attribute::Count);
            }
            let wrong: Vec<_> = wrong.iter().map(|it| (it.attribute, it.object)).collect();
            found += u32::from(wrong == [expected]);
        }
        assert!(all > 150);
        assert!(clean * 100 >= all * 99, "{clean} of {all}");
        assert!(found * 100 >= all * 97, "{found} of {all}");
    }

    #[test]
    fn what_a_caption_leaves_out_is_not_checked() {
        let picture = World::new(Split::Train, Seed(3)).captioned(1).picture;
        let reading = read(&picture.render(64).unwrap()).unwrap();
        let mut claims = Claims::from(picture.scene);
        let all = check(&reading, &claims).len();
        (claims.background, claims.style, claims.first.size) = (None, None, None);
        assert_eq!(check(&reading, &claims).len(), all - 3);
    }

    #[test]
    fn empty_and_foreign_pictures_are_read_too() {
        for (width, height, value) in [(64, 64, 0), (64, 64, 255), (1, 1, 128), (300, 20, 90)] {
            let bytes = vec![value; (3 * width * height) as usize];
            let reading = read(&Image::from_rgb8(width, height, bytes).unwrap()).unwrap();
            assert!(reading.objects.len() < 2 && reading.style_confidence.is_finite());
        }
    }

    #[test]
    fn other_sides_have_judges_of_their_own() {
        let judge = Judge::new(48).unwrap();
        for index in 0..40 {
            let picture = World::new(Split::Train, Seed(4)).captioned(index).picture;
            let large = judge.read(&picture.render(48).unwrap());
            let verdicts = check(&large, &Claims::from(picture.scene));
            assert!(verdicts.iter().all(|verdict| verdict.correct), "{index} {verdicts:?}");
            // A judge of another size still sees the same objects.
            let resized = read(&picture.render(48).unwrap()).unwrap();
            assert_eq!(resized.objects.len(), large.objects.len(), "{index}");
        }
        assert!(Judge::new(8).is_err());
    }
}
