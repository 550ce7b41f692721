//! Stable Diffusion 1.x, 2.x and Turbo.

mod defaults;
mod family;
mod generate;
mod load;
mod model;
mod prompts;
mod request;
mod session;
mod tokenizer;

pub use family::{Family, detect};
pub use load::LoadOptions;
pub use model::StableDiffusion;
pub use session::{StableDiffusionSession, StartOptions};
