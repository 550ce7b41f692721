//! Running a check with every tile.

use super::super::amx::{Amx, model::Model};
use super::super::portable::Portable;
use super::Tile;

/// What a tile rounds its operands to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    F32,
    Bf16,
    TwoBf16,
}

/// Something that holds for every tile.
pub(super) trait Check {
    fn check<T: Tile>(&self, tile: T, numbers: Numbers);
}

/// Runs `check` with every tile that this machine has, and models of the others.
pub(super) fn each_tile(check: &impl Check) {
    check.check(Portable, Numbers::F32);
    check.check(Amx::<_, false>(Model), Numbers::Bf16);
    check.check(Amx::<_, true>(Model), Numbers::TwoBf16);
    #[cfg(target_arch = "x86_64")]
    of_the_processor(check);
}

#[cfg(target_arch = "x86_64")]
fn of_the_processor(check: &impl Check) {
    use super::super::{amx_unit::Processor, avx2::Avx2, avx512::Avx512, avx512_bf16::Avx512Bf16};
    use crate::Kernel;
    if Kernel::Avx2.is_available() {
        check.check(Avx2, Numbers::F32);
    }
    if Kernel::Avx512.is_available() {
        check.check(Avx512, Numbers::F32);
    }
    if Kernel::Avx512Bf16.is_available() {
        check.check(Avx512Bf16, Numbers::Bf16);
    }
    if Kernel::Amx.is_available() {
        check.check(Amx::<_, false>(Processor), Numbers::Bf16);
        check.check(Amx::<_, true>(Processor), Numbers::TwoBf16);
    }
}
