//! A tiny visual world for demo models and for tests of the whole loop.
//!
//! One or two objects (6 kinds, 6 colours, 2 sizes) stand before one of 5 backgrounds,
//! drawn in one of the 4 styles of the HPS v2 benchmark. There are 1,440 scenes with one
//! object and 201,600 with two: few enough to be learnt by models of a few million
//! parameters, too many to be learnt by heart.
//!
//! * [`SceneSpec`], [`render`]: a scene and its picture, the same bytes everywhere;
//! * [`Caption`], [`Claims`]: a scene in words, and words back to what they claim;
//! * [`Split`]: train, validation and held-out combinations, by hash;
//! * [`World`]: captioned pictures, preference pairs and rankings by number;
//! * [`hpd`]: pairs and rankings in the form of the files of HPD v2;
//! * [`judge`]: reads a picture without any model and checks a caption's claims.
//!
//! ```
//! use hps_core::Seed;
//! use hps_world::{Caption, Split, World, judge};
//!
//! let example = World::new(Split::Train, Seed(1)).captioned(0);
//! let image = example.picture.render(64)?;
//! let caption: Caption = example.caption.text.as_str().parse()?;
//! let verdicts = judge::check(&judge::read(&image)?, &caption.claims);
//! assert!(verdicts.iter().all(|verdict| verdict.correct));
//! # Ok::<(), hps_core::Error>(())
//! ```
//!
//! # Invariants
//!
//! * Every draw is a function of a seed, a number and a purpose; no state is kept.
//! * Pictures depend on no platform: plain `f32` arithmetic and the portable `libm`.
//! * Nothing here touches a disk; the example `world_dataset` writes files.

mod caption;
mod claims;
mod damage;
mod fault;
mod hash;
pub mod hpd;
pub mod judge;
mod layout;
mod picture;
mod random;
mod ranking;
mod render;
mod scene;
mod shape;
mod split;
mod vocabulary;
mod world;

pub use caption::Caption;
pub use claims::{Claims, CompanionClaim, ObjectClaim};
pub use damage::{Damage, MAX_LEVEL};
pub use fault::{Attribute, Fault};
pub use picture::Picture;
pub use ranking::{Annotation, Graded, Ranking};
pub use render::{DEFAULT_SIDE, MAX_SIDE, MIN_SIDE, render};
pub use scene::{Companion, ObjectSpec, SceneSpec};
pub use split::{Split, is_held_out};
pub use vocabulary::{Background, Colour, Kind, Relation, Size};
pub use world::{Captioned, PreferencePair, World};
