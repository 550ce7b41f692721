//! A picture as data: what it shows, its chance and its damage.

use hps_core::{Image, Result, Seed};

use crate::damage::Damage;
use crate::layout;
use crate::render;
use crate::scene::SceneSpec;

/// Everything that decides the bytes of a picture, apart from its size.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// What it shows.
    pub scene: SceneSpec,
    /// What the scene leaves open.
    pub seed: Seed,
    /// The number of an object that is left out.
    pub missing: Option<u8>,
    /// What is done to it afterwards, in this order, each with its level.
    pub damages: Vec<(Damage, u8)>,
}

impl Picture {
    /// A picture of `scene` without damage.
    pub fn new(scene: SceneSpec, seed: Seed) -> Self {
        Picture { scene, seed, missing: None, damages: Vec::new() }
    }

    /// Whether it shows its scene undamaged.
    pub fn is_clean(&self) -> bool {
        self.missing.is_none() && self.damages.is_empty()
    }

    /// The picture as `side` × `side` pixels.
    ///
    /// # Errors
    ///
    /// Those of [`crate::render`].
    pub fn render(&self, side: u32) -> Result<Image> {
        let mut objects = layout::place(&self.scene, self.seed);
        if let Some(missing) = self.missing.map(usize::from).filter(|&at| at < objects.len()) {
            objects.remove(missing);
        }
        let image = render::draw(&self.scene, &objects, self.seed, side)?;
        let apply =
            |image: Image, &(damage, level): &(Damage, u8)| damage.apply(&image, level, self.seed);
        self.damages.iter().try_fold(image, apply)
    }
}
