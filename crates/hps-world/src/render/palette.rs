//! The colours of the world.

use super::rgb::Rgb;
use crate::vocabulary::{Background, Colour};

/// The colour of an object in plain light.
pub(crate) fn paint(colour: Colour) -> Rgb {
    match colour {
        Colour::Red => [0.85, 0.12, 0.15],
        Colour::Orange => [0.97, 0.50, 0.08],
        Colour::Yellow => [0.98, 0.86, 0.14],
        Colour::Green => [0.05, 0.50, 0.24],
        Colour::Blue => [0.13, 0.32, 0.86],
        Colour::Purple => [0.54, 0.18, 0.70],
    }
}

/// The colours of a background from top to bottom.
pub(crate) struct Scenery {
    /// Where the ground begins; 1 and more where there is none.
    pub horizon: f32,
    /// The top of the picture, and what is just above the horizon.
    pub far: [Rgb; 2],
    /// Just below the horizon, and the bottom of the picture.
    pub near: [Rgb; 2],
    /// What distance fades to.
    pub haze: Rgb,
    /// Clouds, stars, tufts, ripples or joints.
    pub detail: Rgb,
}

/// The colours of `background`.
pub(crate) fn scenery(background: Background) -> Scenery {
    match background {
        Background::Sky => Scenery {
            horizon: 1.0,
            far: [[0.42, 0.66, 0.93], [0.80, 0.91, 0.98]],
            near: [[0.80, 0.91, 0.98]; 2],
            haze: [0.84, 0.89, 0.93],
            detail: [0.97, 0.98, 1.0],
        },
        Background::Night => Scenery {
            horizon: 1.0,
            far: [[0.03, 0.04, 0.12], [0.11, 0.13, 0.28]],
            near: [[0.11, 0.13, 0.28]; 2],
            haze: [0.15, 0.18, 0.30],
            detail: [0.93, 0.92, 0.82],
        },
        Background::Meadow => Scenery {
            horizon: 0.34,
            far: [[0.66, 0.83, 0.95], [0.86, 0.93, 0.94]],
            near: [[0.66, 0.80, 0.42], [0.50, 0.68, 0.30]],
            haze: [0.80, 0.86, 0.76],
            detail: [0.40, 0.58, 0.24],
        },
        Background::Sand => Scenery {
            horizon: 0.36,
            far: [[0.96, 0.80, 0.68], [0.99, 0.92, 0.82]],
            near: [[0.93, 0.82, 0.62], [0.85, 0.70, 0.48]],
            haze: [0.95, 0.88, 0.78],
            detail: [0.76, 0.61, 0.42],
        },
        Background::Room => Scenery {
            horizon: 0.66,
            far: [[0.70, 0.66, 0.72], [0.80, 0.77, 0.80]],
            near: [[0.50, 0.40, 0.36], [0.60, 0.48, 0.41]],
            haze: [0.72, 0.69, 0.71],
            detail: [0.38, 0.30, 0.28],
        },
    }
}
