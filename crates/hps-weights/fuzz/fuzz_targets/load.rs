//! Opening a file and loading all of it.

use hps_weights::Checkpoint;

/// Opens `file` as it is and under open_clip's names, and loads every tensor. Errors are fine,
/// panics and numbers of elements beyond the file's size are not.
pub fn everything(file: Vec<u8>) {
    let size = file.len();
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz", file) else { return };
    let canonical = checkpoint.canonical();
    for checkpoint in [Ok(checkpoint), canonical].into_iter().flatten() {
        for (name, _) in checkpoint.tensors() {
            if let Ok(values) = checkpoint.values(name) {
                assert!(values.len() <= 3 * size, "{name} has {} elements", values.len());
            }
        }
    }
}
