//! From a kernel and a precision to the tile that computes.

use hps_core::Precision;

use super::choice::Kernel;
use super::portable::Portable;
use super::tile::Tile;

/// Something to do with the tile of a kernel, whichever it is.
pub(super) trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it.
    fn visit<T: Tile>(self, tile: T) -> Self::Output;
}

/// Visits the tile with which `kernel`, which must be available, computes in `precision`.
/// Kernels without products of bf16 compute `Fast` as `Accurate`, and those without tile
/// registers `Accurate` as `F32`.
pub(super) fn with_tile<V: Visitor>(kernel: Kernel, precision: Precision, visitor: V) -> V::Output {
    debug_assert!(kernel.is_available());
    #[cfg(target_arch = "x86_64")]
    match (kernel, precision) {
        (Kernel::Avx512Bf16, Precision::Fast) => {
            return visitor.visit(super::avx512_bf16::Avx512Bf16);
        }
        (Kernel::Amx, Precision::Fast) => {
            return visitor.visit(super::amx::Amx::<_, false>(super::amx_unit::Processor));
        }
        (Kernel::Amx, Precision::Accurate) => {
            return visitor.visit(super::amx::Amx::<_, true>(super::amx_unit::Processor));
        }
        (Kernel::Amx | Kernel::Avx512Bf16 | Kernel::Avx512, _) => {
            return visitor.visit(super::avx512::Avx512);
        }
        (Kernel::Avx2, _) => return visitor.visit(super::avx2::Avx2),
        (Kernel::Portable, _) => {}
    }
    let _ = (kernel, precision);
    visitor.visit(Portable)
}
