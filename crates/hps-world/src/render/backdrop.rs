//! Backgrounds without a style: what is where.

use super::palette::{Scenery, scenery};
use super::rgb::{Rgb, mix, smooth_step};
use super::texture::{cell_noise, smooth_noise};
use crate::random::Stream;
use crate::vocabulary::Background;

/// A background with its clouds or stars at their places.
pub(crate) struct Backdrop {
    /// Its colours.
    pub scenery: Scenery,
    background: Background,
    horizon: f32,
    key: u32,
    /// Puffs of clouds, or stars: middle and radius.
    spots: Vec<([f32; 2], f32)>,
}

/// How a style sees the background.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Width of edges as a share of the side: sharp or out of focus.
    pub softness: f32,
    /// How much of the details is left, in [0, 1].
    pub detail: f32,
}

impl Backdrop {
    /// Draws where things are.
    pub(crate) fn draw(background: Background, stream: &mut Stream) -> Self {
        let scenery = scenery(background);
        let horizon = match scenery.horizon < 1.0 {
            true => scenery.horizon + stream.range(-0.03, 0.03),
            false => scenery.horizon,
        };
        let spots = match background {
            Background::Sky => clouds(stream),
            Background::Night => stars(stream),
            _ => Vec::new(),
        };
        Backdrop { scenery, background, horizon, key: stream.bits(), spots }
    }

    /// The background's colour at a place.
    pub(crate) fn at(&self, u: f32, v: f32, look: Look) -> Rgb {
        let horizon = self.horizon_at(u);
        let ground = smooth_step(-look.softness, look.softness, v - horizon);
        let (far, near) = (self.scenery.far, self.scenery.near);
        let above = mix(far[0], far[1], (v / horizon.min(1.0)).clamp(0.0, 1.0));
        let depth = ((v - horizon) / (1.0 - horizon).max(0.01)).clamp(0.0, 1.0);
        let base = mix(above, mix(near[0], near[1], depth), ground);
        let amount = self.detail_at(u, v, depth, ground, look.softness) * look.detail;
        mix(base, self.scenery.detail, amount)
    }

    /// Where the ground begins in column `u`.
    pub(crate) fn horizon_at(&self, u: f32) -> f32 {
        match self.background {
            Background::Meadow => self.horizon + 0.03 * smooth_noise(self.key, u * 2.0, 0.5),
            Background::Sand => self.horizon + 0.06 * smooth_noise(self.key, u * 1.5, 0.5),
            Background::Room => self.horizon,
            // Not even the softest edge of the ground may come into the picture.
            Background::Sky | Background::Night => 2.0,
        }
    }

    /// The share of the detail's colour at a place.
    fn detail_at(&self, u: f32, v: f32, depth: f32, ground: f32, softness: f32) -> f32 {
        match self.background {
            Background::Sky => 0.9 * self.spots_at(u, v, 0.55, softness + 0.01),
            Background::Night => 0.95 * self.spots_at(u, v, 1.0, softness.min(0.012)),
            Background::Meadow => {
                let blades = smooth_noise(self.key, u * 34.0, v * 13.0);
                ground
                    * 0.6
                    * smooth_step(0.15 - softness, 0.5 + softness, blades)
                    * (0.35 + 0.65 * depth)
            }
            Background::Sand => {
                let ripple = libm::sinf(v * 70.0 + 3.0 * smooth_noise(self.key, u * 4.0, v * 3.0));
                ground
                    * 0.35
                    * smooth_step(0.3 - softness, 0.8 + softness, ripple)
                    * (0.3 + 0.7 * depth)
            }
            Background::Room => {
                let skirting = smooth_step(0.014 + softness, 0.012, (v - self.horizon).abs());
                0.8 * skirting.max(ground * 0.7 * self.joints_at(u, v, softness))
            }
        }
    }

    /// Clouds are flat: `height` scales distances in y.
    fn spots_at(&self, u: f32, v: f32, height: f32, softness: f32) -> f32 {
        let inside = |&(centre, radius): &([f32; 2], f32)| {
            let (dx, dy) = (u - centre[0], (v - centre[1]) / height);
            // Far spots cost no square root.
            if dx.abs() > radius + softness || dy.abs() > radius + softness {
                return 0.0;
            }
            smooth_step(softness, -softness, (dx * dx + dy * dy).sqrt() - radius)
        };
        self.spots.iter().map(inside).fold(0.0, f32::max)
    }

    /// Gaps between floor boards.
    fn joints_at(&self, u: f32, v: f32, softness: f32) -> f32 {
        const BOARD: f32 = 0.085;
        let row = (v - self.horizon) / BOARD;
        let along = (row - row.round()).abs() * BOARD;
        let board = row.floor();
        let offset = cell_noise(self.key, board as i32, 0) * 0.2;
        let column = (u + offset) / 0.4;
        let across = (column - column.round()).abs() * 0.4;
        smooth_step(0.008 + softness * 0.5, 0.002, along.min(across))
    }
}

fn clouds(stream: &mut Stream) -> Vec<([f32; 2], f32)> {
    let mut puffs = Vec::new();
    for cloud in 0..3 {
        let radius = stream.range(0.07, 0.11);
        let centre = [stream.unit(), 0.16 + 0.3 * cloud as f32 + stream.range(-0.08, 0.12)];
        for (shift, share) in [(-1.1, 0.7), (0.0, 1.0), (1.05, 0.75), (2.0, 0.5)] {
            let lift = stream.range(-0.12, 0.12) * radius + (1.0 - share) * 0.5 * radius;
            puffs.push(([centre[0] + shift * radius, centre[1] + lift], radius * share));
        }
    }
    puffs
}

fn stars(stream: &mut Stream) -> Vec<([f32; 2], f32)> {
    (0..22).map(|_| ([stream.unit(), stream.unit()], stream.range(0.003, 0.011))).collect()
}
