//! What a run can be resumed from, and the weights it makes.

mod state;
mod tensor_file;
mod weights;

pub use state::{Best, Checkpoint, Progress, Sums};
pub use weights::{WeightsFormat, write_weights};
