//! Draws every kind of object on every background in every style onto one sheet.
//!
//! ```text
//! cargo run -p hps-world --example world_sheet -- sheet.png [side]
//! ```

use std::fs::File;
use std::io::{self, Error};

use hps_core::{Seed, Style};
use hps_world::{Background, Colour, Companion, DEFAULT_SIDE, Kind, ObjectSpec, SceneSpec, Size};

/// Pixels between pictures.
const GAP: usize = 4;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "world_sheet.png".to_owned());
    let side = arguments.next().map_or(Ok(DEFAULT_SIDE), |side| side.parse());
    let side = side.map_err(Error::other)?;
    // Small pictures are enlarged, so that pixels can be seen.
    let zoom = (192 / side).max(1) as usize;
    let cell = side as usize * zoom + GAP;
    let (width, height) = (2 * Kind::ALL.len() * cell, 2 * Background::ALL.len() * cell);
    let mut sheet = vec![255; 3 * width * height];
    for (block, style) in Style::ALL.into_iter().enumerate() {
        for row in 0..Background::ALL.len() {
            for column in 0..Kind::ALL.len() {
                let seed = Seed((row * 10 + column) as u64);
                let image = hps_world::render(&scene(style, row, column), seed, side);
                let image = image.map_err(Error::other)?;
                let left = (block % 2 * Kind::ALL.len() + column) * cell;
                let top = (block / 2 * Background::ALL.len() + row) * cell;
                for (y, line) in image.as_rgb8().chunks_exact(3 * side as usize).enumerate() {
                    let (pixels, _) = line.as_chunks::<3>();
                    let wide: Vec<u8> = pixels.iter().flat_map(|rgb| rgb.repeat(zoom)).collect();
                    for y in y * zoom..(y + 1) * zoom {
                        let at = 3 * ((top + y) * width + left);
                        sheet[at..at + wide.len()].copy_from_slice(&wide);
                    }
                }
            }
        }
    }
    let mut encoder = png::Encoder::new(File::create(path)?, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    Ok(encoder.write_header()?.write_image_data(&sheet)?)
}

/// The same scene for all styles; every other one has two objects.
fn scene(style: Style, row: usize, column: usize) -> SceneSpec {
    let pick = |number: usize| {
        let size = Size::ALL[(number / 2) % 2];
        ObjectSpec { kind: Kind::ALL[number % 6], colour: Colour::ALL[(number + row) % 6], size }
    };
    let relation = hps_world::Relation::ALL[(row + column / 2) % 4];
    let second = (column % 2 == 1).then(|| Companion { relation, object: pick(column + row + 1) });
    SceneSpec { first: pick(column), second, background: Background::ALL[row], style }
}
