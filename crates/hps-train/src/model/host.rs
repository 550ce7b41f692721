//! The values of tensors on the host.

use candle_core::{Result, Storage, StorageRef, Tensor, bail};

/// Whether `tensor` is for the kernels of the host; the others are for candle.
pub(super) fn on_host(tensor: &Tensor) -> bool {
    #[cfg(test)]
    if tests::PRETEND_DEVICE.get() {
        return false;
    }
    tensor.device().is_cpu()
}

/// A contiguous `f32` tensor's values, for as long as this is held.
pub(super) struct HostValues<'a> {
    storage: StorageRef<'a>,
    start: usize,
    end: usize,
}

impl<'a> HostValues<'a> {
    /// Borrows the values of `tensor`.
    ///
    /// # Errors
    ///
    /// When it is on another device or not contiguous.
    pub(super) fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(_), Some((start, end))) => Ok(HostValues { storage, start, end }),
            _ => bail!("a contiguous tensor on the host is needed, not {layout:?}"),
        }
    }

    /// The values in row-major order.
    ///
    /// # Errors
    ///
    /// When they are not `f32`.
    pub(super) fn slice(&self) -> Result<&[f32]> {
        let Storage::Cpu(storage) = &*self.storage else { bail!("not on the host") };
        Ok(storage.as_slice::<f32>()?.get(self.start..self.end).unwrap_or_default())
    }
}

/// Rows that one task handles in kernels over rows. Sums over rows are made of the
/// sums over such blocks, in order: the number of threads changes no bit.
pub(super) const BLOCK_ROWS: usize = 64;

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    thread_local! {
        /// Makes this thread treat the host as any other device.
        pub(in crate::model) static PRETEND_DEVICE: Cell<bool> = const { Cell::new(false) };
    }
}
