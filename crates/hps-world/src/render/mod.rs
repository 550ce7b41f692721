//! Scenes as pictures.

mod anime;
mod backdrop;
pub(crate) mod canvas;
mod concept_art;
mod painting;
mod palette;
mod photo;
pub(crate) mod rgb;
pub(crate) mod texture;

use hps_core::{Error, ErrorKind, Image, Result, Seed, Style};

use self::backdrop::Backdrop;
use self::canvas::Canvas;
use crate::layout::{self, Placed};
use crate::random::{Purpose, Stream};
use crate::scene::SceneSpec;

/// The side of pictures in pixels where nothing else is asked for.
pub const DEFAULT_SIDE: u32 = 64;

/// The smallest side at which small objects can be told apart.
pub const MIN_SIDE: u32 = 32;

/// The largest side.
pub const MAX_SIDE: u32 = 1024;

/// Draws `scene` as `side` × `side` pixels.
///
/// `seed` decides what the scene leaves open: exact places, sizes within a few per
/// cent, clouds, strokes, grain. The bytes are a function of the arguments alone, the
/// same on every machine. Pictures of one seed show the same at every side, up to what
/// pixels can show; the grain of photos is as fine as the pixels.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] unless `side` is between [`MIN_SIDE`] and [`MAX_SIDE`].
pub fn render(scene: &SceneSpec, seed: Seed, side: u32) -> Result<Image> {
    draw(scene, &layout::place(scene, seed), seed, side)
}

/// Draws `objects` in the background and style of `scene`.
pub(crate) fn draw(scene: &SceneSpec, objects: &[Placed], seed: Seed, side: u32) -> Result<Image> {
    if !(MIN_SIDE..=MAX_SIDE).contains(&side) {
        return Err(Error::new(ErrorKind::InvalidInput, format!("a side of {side} pixels"))
            .with_hint(format!("Sides are between {MIN_SIDE} and {MAX_SIDE} pixels.")));
    }
    let mut stream = Stream::new(seed, 0, Purpose::Render);
    let backdrop = Backdrop::draw(scene.background, &mut stream);
    let mut canvas = Canvas::new(side);
    paint(&mut canvas, &backdrop, scene, objects, &mut stream);
    canvas.to_image()
}

fn paint(
    canvas: &mut Canvas,
    backdrop: &Backdrop,
    scene: &SceneSpec,
    objects: &[Placed],
    stream: &mut Stream,
) {
    match scene.style {
        Style::Anime => {
            anime::backdrop(canvas, backdrop);
            objects.iter().for_each(|object| anime::object(canvas, object));
        }
        Style::ConceptArt => {
            concept_art::backdrop(canvas, backdrop, stream.bits());
            let haze = backdrop.scenery.haze;
            objects.iter().for_each(|object| concept_art::object(canvas, object, haze));
        }
        Style::Paintings => {
            painting::backdrop(canvas, backdrop, scene.background, stream);
            objects.iter().for_each(|object| painting::object(canvas, object, stream));
            painting::weave(canvas);
        }
        Style::Photo => {
            photo::backdrop(canvas, backdrop, stream.bits());
            objects.iter().for_each(|object| photo::shadow(canvas, object));
            objects.iter().for_each(|object| photo::object(canvas, object));
            photo::develop(canvas, stream.bits());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::hash::fnv1a;
    use crate::{Background, Colour, Companion, Kind, ObjectSpec, Relation, Size};

    const GOLDEN: [u64; 6] = [
        0x464d_d3f5_e051_0755,
        0x9888_ebf8_20a1_317e,
        0x169a_6293_34c9_eef2,
        0xc53d_d708_b22f_9fc9,
        0x6ac9_f5a9_7c78_dc63,
        0x9cd2_0f8d_0e78_da12,
    ];

    fn scene(style: Style, background: Background) -> SceneSpec {
        let object = |kind, colour, size| ObjectSpec { kind, colour, size };
        let other = object(Kind::Heart, Colour::Purple, Size::Small);
        SceneSpec {
            first: object(Kind::Star, Colour::Orange, Size::Large),
            second: Some(Companion { relation: Relation::Above, object: other }),
            background,
            style,
        }
    }

    fn hash(style: Style, background: Background, side: u32) -> u64 {
        fnv1a(render(&scene(style, background), Seed(7), side).unwrap().as_rgb8())
    }

    #[test]
    fn pictures_are_frozen() {
        let hashes = [
            hash(Style::Anime, Background::Sky, 64),
            hash(Style::ConceptArt, Background::Night, 64),
            hash(Style::Paintings, Background::Meadow, 64),
            hash(Style::Photo, Background::Sand, 64),
            hash(Style::Anime, Background::Room, 32),
            hash(Style::Photo, Background::Room, 96),
        ];
        assert_eq!(hashes, GOLDEN, "{hashes:#x?}");
    }

    #[test]
    fn seeds_and_styles_change_the_picture() {
        let scene = scene(Style::Photo, Background::Sky);
        let draw = |scene, seed| render(&scene, Seed(seed), 48).unwrap();
        assert_eq!(draw(scene, 1), draw(scene, 1));
        assert_ne!(draw(scene, 1), draw(scene, 2));
        for style in [Style::Anime, Style::ConceptArt, Style::Paintings] {
            assert_ne!(draw(scene, 1), draw(SceneSpec { style, ..scene }, 1));
        }
    }

    #[test]
    fn sides_are_checked() {
        let scene = scene(Style::Anime, Background::Sky);
        for side in [0, MIN_SIDE - 1, MAX_SIDE + 1, u32::MAX] {
            let error = render(&scene, Seed(0), side).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(render(&scene, Seed(0), 33).unwrap().height(), 33);
    }
}
