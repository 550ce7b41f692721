//! Which pixels are objects.

use super::calibration::Setting;
use crate::damage::Pixels;
use crate::vocabulary::Colour;

/// The least area of an object, as a share of the picture.
const MIN_AREA: f32 = 0.008;
/// A part of another colour is an object of its own from this share of a region.
const SPLIT_SHARE: f32 = 0.3;

/// Connected pixels that are no background.
#[derive(Clone, Debug)]
pub(super) struct Region {
    /// Pixels as (column, row).
    pub pixels: Vec<(usize, usize)>,
    /// The colour of most of them.
    pub colour: Colour,
    /// How large a share they are.
    pub share: f32,
}

impl Region {
    /// The mean column and row of its pixels.
    pub(super) fn centroid(&self) -> (f32, f32) {
        let count = self.pixels.len() as f32;
        let sum = |part: fn(&(usize, usize)) -> usize| self.pixels.iter().map(part).sum::<usize>();
        (sum(|pixel| pixel.0) as f32 / count, sum(|pixel| pixel.1) as f32 / count)
    }
}

/// The regions of a picture, the largest first.
pub(super) fn regions(pixels: &Pixels, setting: &Setting) -> Vec<Region> {
    let labels = Labels::new(pixels, setting);
    let object: Vec<bool> = labels.margin.iter().map(|&margin| margin > 0.0).collect();
    let min_area = MIN_AREA * object.len() as f32;
    let mut regions = Vec::new();
    for mut component in components(&object, pixels.width) {
        fill_holes(&mut component, pixels.width, pixels.height);
        if component.len() as f32 >= min_area {
            regions.extend(split(component, &labels, pixels, min_area));
        }
    }
    regions.sort_by_key(|region| std::cmp::Reverse(region.pixels.len()));
    regions
}

/// What every pixel looks like.
struct Labels {
    /// How much better a pixel fits an object than the background.
    margin: Vec<f32>,
    /// The colour it fits best, as a number.
    colour: Vec<usize>,
}

impl Labels {
    fn new(pixels: &Pixels, setting: &Setting) -> Self {
        let mut margin = Vec::with_capacity(pixels.values.len());
        let mut colour = Vec::with_capacity(pixels.values.len());
        for (index, value) in pixels.values.iter().enumerate() {
            let paint = setting.paint(value);
            let best = (0..paint.len()).max_by(|&a, &b| paint[a].total_cmp(&paint[b])).unwrap_or(0);
            let around = setting.surroundings(value, index / pixels.width, pixels.height);
            margin.push((paint[best] - around).clamp(-6.0, 6.0));
            colour.push(best);
        }
        Labels { margin: smoothed(&margin, pixels.width), colour }
    }
}

/// Weighted means over three by three values, the middle one counting most.
fn smoothed(values: &[f32], width: usize) -> Vec<f32> {
    let height = values.len() / width;
    let mean = |index: usize| {
        let (x, y) = (index % width, index / width);
        let (mut sum, mut total) = (0.0, 0.0);
        for row in y.saturating_sub(1)..(y + 2).min(height) {
            for column in x.saturating_sub(1)..(x + 2).min(width) {
                let steps = row.abs_diff(y) + column.abs_diff(x);
                let weight = [6.0, 1.5, 0.5][steps];
                sum += weight * values[row * width + column];
                total += weight;
            }
        }
        sum / total
    };
    (0..values.len()).map(mean).collect()
}

/// Groups of marked pixels that touch at their sides.
fn components(marked: &[bool], width: usize) -> Vec<Vec<(usize, usize)>> {
    let height = marked.len() / width;
    let mut open = marked.to_vec();
    let mut components = Vec::new();
    for start in 0..open.len() {
        if !std::mem::take(&mut open[start]) {
            continue;
        }
        let mut component = vec![(start % width, start / width)];
        let mut next = 0;
        while let Some(&(x, y)) = component.get(next) {
            next += 1;
            for (x, y) in [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)] {
                if x < width && y < height && std::mem::take(&mut open[y * width + x]) {
                    component.push((x, y));
                }
            }
        }
        components.push(component);
    }
    components
}

/// Adds the pixels that a component encloses: no kind of object has a hole.
fn fill_holes(component: &mut Vec<(usize, usize)>, width: usize, height: usize) {
    let mut outside = vec![true; width * height];
    for &(x, y) in component.iter() {
        outside[y * width + x] = false;
    }
    for hole in components(&outside, width) {
        let touches =
            |&(x, y): &(usize, usize)| x == 0 || y == 0 || x + 1 == width || y + 1 == height;
        if !hole.iter().any(touches) {
            component.extend(hole);
        }
    }
}

/// A component as one region, or as two where two colours touch.
fn split(
    component: Vec<(usize, usize)>,
    labels: &Labels,
    pixels: &Pixels,
    min_area: f32,
) -> Vec<Region> {
    let colour_at = |&(x, y): &(usize, usize)| labels.colour[y * pixels.width + x];
    let mut votes = [0usize; Colour::ALL.len()];
    component.iter().for_each(|pixel| votes[colour_at(pixel)] += 1);
    let mut order: Vec<usize> = (0..votes.len()).collect();
    order.sort_by_key(|&colour| std::cmp::Reverse(votes[colour]));
    let (first, second) = (order[0], order[1]);
    let whole = component.len() as f32;
    if votes[second] as f32 >= SPLIT_SHARE * whole {
        let part = |colour: usize| {
            let mut marked = vec![false; pixels.values.len()];
            for &(x, y) in component.iter().filter(|pixel| colour_at(pixel) == colour) {
                marked[y * pixels.width + x] = true;
            }
            components(&marked, pixels.width).into_iter().max_by_key(Vec::len)
        };
        let parts = [first, second].map(|colour| (colour, part(colour).unwrap_or_default()));
        if parts.iter().all(|(_, pixels)| pixels.len() as f32 >= min_area) {
            let region =
                |(colour, pixels)| Region { pixels, colour: Colour::ALL[colour], share: 1.0 };
            return parts.into_iter().map(region).collect();
        }
    }
    let share = votes[first] as f32 / whole;
    vec![Region { pixels: component, colour: Colour::ALL[first], share }]
}
