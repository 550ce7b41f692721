//! What a judge reads from a picture.

use hps_core::Style;
use serde::{Deserialize, Serialize};

use crate::vocabulary::{Background, Colour, Kind, Size};

/// Everything read from a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The objects, the largest first; empty where nothing stands out.
    pub objects: Vec<ObjectReading>,
    /// The most probable background.
    pub background: Background,
    /// Its probability among backgrounds, in [0, 1].
    pub background_confidence: f32,
    /// The most probable style.
    pub style: Style,
    /// Its probability among styles, in [0, 1].
    pub style_confidence: f32,
}

/// One object read from a picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectReading {
    /// What it is.
    pub kind: Kind,
    /// Its colour.
    pub colour: Colour,
    /// How large it is.
    pub size: Size,
    /// Its centre of mass as shares of width and height, from the upper left corner.
    pub centre: [f32; 2],
    /// The overlap with an ideal silhouette times the share of pixels that have the
    /// colour, in [0, 1]. Clean pictures have 0.6 and more.
    pub confidence: f32,
}
