//! From pictures to the numbers a vision tower reads.
//!
//! Two recipes are in use and they are not interchangeable:
//!
//! * [`longest_side`]: the recipe of the `hpsv2` package. The *long* side is
//!   resized, the rest is padded, arithmetic is on floats.
//! * [`clip`]: the recipe of the original CLIP, used by CLIPScore, PickScore and
//!   the aesthetic predictor. The *short* side is resized, the middle is cut
//!   out, arithmetic is on 8-bit samples as in Pillow.

mod clip;
mod geometry;
mod kernel;
mod longest_side;
mod pixels;

pub use clip::clip;
pub use geometry::Geometry;
pub use kernel::ResizePolicy;
pub use longest_side::longest_side;
pub use pixels::{OPENAI_MEAN, OPENAI_STD, Pixels};
