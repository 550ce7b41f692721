//! What a run reports: a file of records, and the same for TensorBoard.

mod crc32c;
mod metrics;
mod tensorboard;

pub use metrics::{Evaluation, Metrics, Record, TrainingStep};
pub use tensorboard::EventWriter;
