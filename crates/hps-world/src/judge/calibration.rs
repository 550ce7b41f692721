//! What the world looks like, measured on pictures of it.
//!
//! Instead of constants that go stale when a style changes, a judge draws reference
//! scenes of every style and background and keeps means and covariances: of
//! [`statistics`], of background colours by rows, and of object colours. Some of the
//! references are blurred or noisy, so that pictures a model has drawn fit as well.

use hps_core::{Result, Seed, Style};

use super::gaussian::{Gaussian, Moments};
use super::statistics::{self, statistics};
use crate::damage::Pixels;
use crate::layout::{self, Placed};
use crate::random::{Purpose, Stream};
use crate::render;
use crate::render::rgb::Rgb;
use crate::scene::{Companion, ObjectSpec, SceneSpec};
use crate::vocabulary::{Background, Colour, Kind, Relation, Size};

/// Scenes per style, background and object colour.
const SCENES: usize = 4;
/// Forms of every reference.
const VARIANTS: usize = 5;
/// Bands of rows with their own background colour.
const ROWS: usize = 16;
/// What is added to the variance of colours: (8/255) squared.
const COLOUR_FLOOR: f64 = 0.001;
/// What is added to the variance of statistics.
const STATISTICS_FLOOR: f64 = 0.0004;

type Statistics = [f32; statistics::COUNT];

/// One style and background.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The style.
    pub style: Style,
    /// The background.
    pub background: Background,
    /// Mean statistics of every variant of the references.
    centres: Vec<Statistics>,
    /// Background colours by bands of rows, from the top.
    ground: Vec<Gaussian<3>>,
    /// Object colours in the order of [`Colour::ALL`].
    paint: Vec<Gaussian<3>>,
    /// The colour along outlines, where the style inks them.
    ink: Option<Gaussian<3>>,
}

/// All settings, and the spread of statistics around a centre.
#[derive(Clone, Debug)]
pub(super) struct Calibration {
    settings: Vec<Setting>,
    within: Gaussian<{ statistics::COUNT }>,
}

impl Setting {
    /// How well a colour in row `row` of `height` fits what is around objects, the
    /// background or an outline (log density).
    pub(super) fn surroundings(&self, colour: &Rgb, row: usize, height: usize) -> f32 {
        let ground = self.ground[row * ROWS / height].log_density(colour);
        self.ink.as_ref().map_or(ground, |ink| ink.log_density(colour).max(ground))
    }

    /// How well a colour fits objects of every colour (log densities).
    pub(super) fn paint(&self, colour: &Rgb) -> [f32; 6] {
        std::array::from_fn(|index| self.paint[index].log_density(colour))
    }
}

impl Calibration {
    /// Draws and measures references of `side` × `side` pixels.
    pub(super) fn new(side: u32) -> Result<Self> {
        let mut settings = Vec::new();
        let mut deviations = Moments::new();
        for style in Style::ALL {
            for &background in Background::ALL {
                settings.push(measure(style, background, side, &mut deviations)?);
            }
        }
        Ok(Calibration { settings, within: deviations.gaussian(STATISTICS_FLOOR) })
    }

    /// Every setting with its probability, given a picture's statistics.
    pub(super) fn probabilities(&self, pixels: &Pixels) -> Vec<(&Setting, f32)> {
        let values = statistics(pixels);
        let distance = |setting: &Setting| {
            let centres = setting.centres.iter();
            let distances = centres.map(|centre| self.within.distance(&values, centre));
            distances.fold(f32::INFINITY, f32::min)
        };
        let distances: Vec<f32> = self.settings.iter().map(distance).collect();
        let nearest = distances.iter().copied().fold(f32::INFINITY, f32::min);
        let weights = distances.iter().map(|distance| libm::expf(0.5 * (nearest - distance)));
        let weights: Vec<f32> = weights.collect();
        let total: f32 = weights.iter().sum();
        self.settings.iter().zip(weights.iter().map(|weight| weight / total)).collect()
    }
}

/// Measures a setting; `deviations` takes in how far statistics are from their centre.
fn measure(
    style: Style,
    background: Background,
    side: u32,
    deviations: &mut Moments<{ statistics::COUNT }>,
) -> Result<Setting> {
    let mut samples = Samples::new();
    let mut seen: [Vec<Statistics>; VARIANTS] = Default::default();
    for number in 0..Colour::ALL.len() * SCENES {
        let colour = Colour::ALL[number % Colour::ALL.len()];
        let key = (style as u64) << 32 | (background as u64) << 16 | number as u64;
        let mut stream = Stream::new(Seed(0), key, Purpose::Reference);
        let scene = reference(style, background, colour, &mut stream);
        let seed = stream.seed();
        let objects = layout::place(&scene, seed);
        let image = render::draw(&scene, &objects, seed, side)?;
        let variants = variants(Pixels::from(&image), &mut stream);
        for (pixels, seen) in variants.iter().zip(&mut seen) {
            seen.push(statistics(pixels));
            samples.add(pixels, &objects, colour);
        }
    }
    let centres = seen.iter().map(|values| {
        let mut moments = Moments::new();
        values.iter().for_each(|value| moments.add(value));
        let centre = moments.mean();
        values
            .iter()
            .for_each(|value| deviations.add(&std::array::from_fn(|i| value[i] - centre[i])));
        centre
    });
    let centres = centres.collect();
    let gaussians = |moments: &[Moments<3>]| {
        moments.iter().map(|moments| moments.gaussian(COLOUR_FLOOR)).collect()
    };
    Ok(Setting {
        style,
        background,
        centres,
        ground: gaussians(&samples.ground),
        paint: gaussians(&samples.paint),
        ink: (style == Style::Anime).then(|| samples.edge.gaussian(COLOUR_FLOOR)),
    })
}

/// A scene with one or two objects of `colour`.
fn reference(
    style: Style,
    background: Background,
    colour: Colour,
    stream: &mut Stream,
) -> SceneSpec {
    let mut object =
        || ObjectSpec { kind: stream.pick(Kind::ALL), colour, size: stream.pick(Size::ALL) };
    let (first, other) = (object(), object());
    let second = stream
        .chance(0.6)
        .then(|| Companion { relation: stream.pick(Relation::ALL), object: other });
    SceneSpec { first, second, background, style }
}

/// The picture as it is, blurred, a little noisy, noisy, and blurred and noisy.
fn variants(pixels: Pixels, stream: &mut Stream) -> [Pixels; VARIANTS] {
    let unit = pixels.width as f32 / 64.0;
    let mut changed = |blur: (f32, f32), noise: (f32, f32)| {
        let mut pixels = pixels.clone();
        if blur.1 > 0.0 {
            pixels.blur(stream.range(blur.0, blur.1) * unit);
        }
        pixels.noise(stream.range(noise.0, noise.1), stream.seed());
        pixels
    };
    [
        changed((0.0, 0.0), (0.0, 0.0)),
        changed((0.35, 1.2), (0.0, 0.0)),
        changed((0.0, 0.0), (0.01, 0.04)),
        changed((0.0, 0.0), (0.04, 0.09)),
        changed((0.35, 1.0), (0.01, 0.06)),
    ]
}

/// Colours of pixels by what they belong to.
struct Samples {
    ground: Vec<Moments<3>>,
    paint: Vec<Moments<3>>,
    edge: Moments<3>,
}

impl Samples {
    fn new() -> Self {
        Samples {
            ground: vec![Moments::new(); ROWS],
            paint: vec![Moments::new(); Colour::ALL.len()],
            edge: Moments::new(),
        }
    }

    /// Adds all pixels that are clearly background, object or outline.
    fn add(&mut self, pixels: &Pixels, objects: &[Placed], colour: Colour) {
        let pixel = 1.0 / pixels.width as f32;
        for (index, value) in pixels.values.iter().enumerate() {
            let (row, column) = (index / pixels.width, index % pixels.width);
            let (u, v) = ((column as f32 + 0.5) * pixel, (row as f32 + 0.5) * pixel);
            let distances = objects.iter().map(|object| object.distance(u, v));
            let distance = distances.fold(f32::INFINITY, f32::min) / pixel;
            if distance > 2.0 {
                self.ground[row * ROWS / pixels.height].add(value);
            } else if distance < -1.0 {
                self.paint[colour as usize].add(value);
            } else if distance.abs() < 0.5 {
                self.edge.add(value);
            }
        }
    }
}
