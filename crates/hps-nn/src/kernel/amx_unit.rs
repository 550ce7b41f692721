//! The processor's tile unit.
#![allow(unsafe_code)]

use std::arch::asm;

use half::f16;

use super::amx::{BLOCK_LEN, TileUnit};
use super::amx_tiles::{TileConfig, tile_accurate, tile_fast};
use super::half_floats::widen_avx512;
use super::vector::{Routine, avx512};

/// The tile registers of the processor. Only made where `Kernel::missing` finds them, and
/// AVX-512, available.
#[derive(Clone, Copy)]
pub(super) struct Processor;

impl TileUnit for Processor {
    type Session = TileConfig;

    fn session(self) -> TileConfig {
        TileConfig::new()
    }

    fn multiply_fast(
        self,
        session: &mut TileConfig,
        groups: usize,
        left: &[u16],
        right: &[u16],
        block: &mut [f32; BLOCK_LEN],
        accumulate: bool,
    ) {
        tile_fast(session, groups, left, right, block, accumulate);
    }

    fn multiply_accurate(
        self,
        session: &mut TileConfig,
        groups: usize,
        left: &[u16],
        right: &[u16],
        block: &mut [f32; BLOCK_LEN],
        accumulate: bool,
    ) {
        tile_accurate(session, groups, left, right, block, accumulate);
    }

    fn widen(self, from: &[f16], to: &mut [f32]) {
        // SAFETY: the processor has AVX-512, since a `Processor` exists.
        unsafe { widen_avx512(from, to) }
    }

    fn vectorise<R: Routine>(self, routine: R) -> R::Output {
        avx512(routine)
    }
}

/// Multiplies tiles `rounds` times four and returns the operations of a round.
pub(super) fn tile_products(rounds: usize) -> f64 {
    let session = TileConfig::new();
    if rounds > 0 {
        // SAFETY: the tiles of this thread are configured while `session` exists. Only
        // tiles, the counter and flags change, all of them declared.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "tilezero tmm4", "tilezero tmm5", "tilezero tmm6", "tilezero tmm7",
                "2:",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "sub {rounds}, 1",
                "jnz 2b",
                rounds = inout(reg) rounds => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nomem, nostack),
            );
        }
    }
    drop(session);
    4.0 * 2.0 * (16 * 16 * 32) as f64
}
