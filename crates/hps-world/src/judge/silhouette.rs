//! What kind of object a region is: the silhouette that overlaps it most.

use super::segment::Region;
use crate::shape;
use crate::vocabulary::Kind;

/// Cells of a template along a side, and how far it reaches in radii.
const CELLS: usize = 64;
const REACH: f32 = 1.6;
/// Rotations, in radians.
const ANGLES: [f32; 3] = [-0.09, 0.0, 0.09];
/// Standard deviations of blur, in radii: blur rounds corners and fills notches.
const BLURS: [f32; 4] = [0.0, 0.12, 0.2, 0.28];

/// How a region was recognised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    /// The kind whose silhouette fits best.
    pub kind: Kind,
    /// Intersection over union of silhouette and region, in [0, 1].
    pub overlap: f32,
    /// The scale of the silhouette in pixels.
    pub radius: f32,
}

/// Silhouettes of every kind, turned and blurred.
#[derive(Clone, Debug)]
pub(super) struct Silhouettes(Vec<Template>);

/// How much of each cell lies inside of a shape of radius 1.
#[derive(Clone, Debug)]
struct Template {
    kind: Kind,
    cover: Vec<f32>,
    /// The area and the centre of mass, in cells.
    area: f32,
    centroid: (f32, f32),
}

impl Silhouettes {
    /// Draws all templates.
    pub(super) fn new() -> Self {
        let templates = Kind::ALL.iter().flat_map(|&kind| {
            let turned = ANGLES.iter().map(move |&angle| inside(kind, angle));
            turned.flat_map(move |sharp| BLURS.map(|blur| Template::new(kind, &sharp, blur)))
        });
        Silhouettes(templates.collect())
    }

    /// The template that overlaps `region` most.
    pub(super) fn recognise(&self, region: &Region) -> Match {
        let window = Window::new(region);
        let mut best = Match { kind: Kind::Circle, overlap: 0.0, radius: 0.0 };
        for template in &self.0 {
            let candidate = window.compare(template);
            if candidate.overlap > best.overlap {
                best = candidate;
            }
        }
        best
    }
}

/// The shape on the grid of a template, 1 inside and 0 outside.
fn inside(kind: Kind, angle: f32) -> Vec<f32> {
    let step = 2.0 * REACH / CELLS as f32;
    let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
    let cover = |index: usize| {
        let x = ((index % CELLS) as f32 + 0.5) * step - REACH;
        let y = ((index / CELLS) as f32 + 0.5) * step - REACH;
        let distance = shape::signed_distance(kind, cos * x + sin * y, cos * y - sin * x);
        (0.5 - distance / step).clamp(0.0, 1.0)
    };
    (0..CELLS * CELLS).map(cover).collect()
}

impl Template {
    /// `sharp` after a blur of `blur` radii, cut where it is half.
    fn new(kind: Kind, sharp: &[f32], blur: f32) -> Self {
        let mut cover = sharp.to_vec();
        if blur > 0.0 {
            let sigma = blur * CELLS as f32 / (2.0 * REACH);
            let mut pixels = crate::damage::Pixels {
                width: CELLS,
                height: CELLS,
                values: sharp.iter().map(|&value| [value; 3]).collect(),
            };
            pixels.blur(sigma);
            // The edge of a blurred half plane rises by 0.4 / sigma per cell.
            let cut = |value: &[f32; 3]| (0.5 + (value[0] - 0.5) * 2.5 * sigma).clamp(0.0, 1.0);
            cover = pixels.values.iter().map(cut).collect();
        }
        let (mut area, mut x, mut y) = (0.0, 0.0, 0.0);
        for (index, value) in cover.iter().enumerate() {
            area += value;
            x += value * ((index % CELLS) as f32 + 0.5);
            y += value * ((index / CELLS) as f32 + 0.5);
        }
        Template { kind, cover, area, centroid: (x / area, y / area) }
    }

    /// The cover at a place in cells, between the middles of cells.
    fn at(&self, x: f32, y: f32) -> f32 {
        let last = (CELLS - 1) as f32;
        let (x, y) = ((x - 0.5).clamp(0.0, last), (y - 0.5).clamp(0.0, last));
        let (column, row) = ((x as usize).min(CELLS - 2), (y as usize).min(CELLS - 2));
        let (fx, fy) = (x - column as f32, y - row as f32);
        let line = |row: usize| {
            let at = row * CELLS + column;
            self.cover[at] + (self.cover[at + 1] - self.cover[at]) * fx
        };
        line(row) + (line(row + 1) - line(row)) * fy
    }
}

/// The region as a small picture with a margin.
struct Window {
    left: f32,
    top: f32,
    width: usize,
    inside: Vec<bool>,
    area: f32,
    centroid: (f32, f32),
}

impl Window {
    fn new(region: &Region) -> Self {
        const MARGIN: usize = 4;
        let columns = region.pixels.iter().map(|pixel| pixel.0);
        let rows = region.pixels.iter().map(|pixel| pixel.1);
        let (left, top) = (columns.clone().min().unwrap_or(0), rows.clone().min().unwrap_or(0));
        let width = columns.max().unwrap_or(0) - left + 1 + 2 * MARGIN;
        let height = rows.max().unwrap_or(0) - top + 1 + 2 * MARGIN;
        let mut inside = vec![false; width * height];
        for (x, y) in &region.pixels {
            inside[(y - top + MARGIN) * width + x - left + MARGIN] = true;
        }
        Window {
            left: left as f32 - MARGIN as f32,
            top: top as f32 - MARGIN as f32,
            width,
            inside,
            area: region.pixels.len() as f32,
            centroid: region.centroid(),
        }
    }

    /// The overlap with a template of the same area and centre of mass.
    fn compare(&self, template: &Template) -> Match {
        // Cells per pixel.
        let scale = (template.area / self.area).sqrt();
        let (mut shared, mut either) = (0.0, 0.0);
        for (index, &inside) in self.inside.iter().enumerate() {
            let dx = (index % self.width) as f32 + self.left - self.centroid.0;
            let dy = (index / self.width) as f32 + self.top - self.centroid.1;
            let (x, y) = (template.centroid.0 + dx * scale, template.centroid.1 + dy * scale);
            let cover = template.at(x, y);
            let inside = f32::from(u8::from(inside));
            shared += cover.min(inside);
            either += cover.max(inside);
        }
        let radius = CELLS as f32 / (2.0 * REACH) / scale;
        Match { kind: template.kind, overlap: shared / either, radius }
    }
}
