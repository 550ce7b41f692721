//! The tile registers (AMX): a block of 32 x 32 sums from panels of bf16 tiles.
//!
//! A block is two tiles by two. A panel is a sequence of groups over 32 inner steps; a
//! group holds the tile of rows (or columns) 0..16 and that of 16..32, each of 1 KiB. A
//! left tile is 16 rows of 32 steps, a right one `[16 pairs of steps][16 columns][2]`.
//! Where operands are split, the two tiles of the low parts follow those of the high.
//!
//! Intel's manual ("Intel 64 and IA-32 Architectures Software Developer's Manual",
//! `TDPBF16PS`) fixes the arithmetic, whatever the floating-point settings of the thread.
//! Within a tile, the even and the odd inner steps of an element are each summed in order
//! with fused multiply-adds, then added to one another and to the block. Rounding is to
//! nearest even. Denormals count as zero, among the inputs, in the sums and in a block
//! that is added to.
//!
//! So an element is summed in one order wherever in the block it is, and a panel cut
//! between groups into several calls gives the same bits.
#![allow(unsafe_code)]

use std::arch::asm;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Numbers of a tile: 16 rows of 32.
const TILE: usize = 16 * 32;
/// Values of a block: 32 rows of 32.
const BLOCK: usize = 32 * 32;

/// Whether the processor has tile registers with bf16 products and the system lets this
/// process use them. Linux has to be asked, which is done once; other systems are taken
/// not to offer them.
pub(super) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| processor_has_tiles() && system_saves_tiles() && permitted())
}

/// CPUID: AMX-BF16 and AMX-TILE.
fn processor_has_tiles() -> bool {
    const BF16: u32 = 1 << 22;
    const TILES: u32 = 1 << 24;
    std::arch::x86_64::__cpuid(0).eax >= 7
        && std::arch::x86_64::__cpuid_count(7, 0).edx & (BF16 | TILES) == BF16 | TILES
}

/// XCR0: whether the system keeps the tiles and their configuration for each thread.
fn system_saves_tiles() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    const CONFIGURATION_AND_DATA: u32 = 0b11 << 17;
    if std::arch::x86_64::__cpuid(1).ecx & OSXSAVE == 0 {
        return false;
    }
    let low: u32;
    // SAFETY: `xgetbv` may be used since OSXSAVE is set, register 0 always exists, and
    // nothing but `eax` and `edx` changes.
    unsafe {
        asm!(
            "xgetbv",
            in("ecx") 0,
            out("eax") low,
            out("edx") _,
            options(nomem, nostack, preserves_flags),
        );
    }
    low & CONFIGURATION_AND_DATA == CONFIGURATION_AND_DATA
}

/// Asks Linux for the tiles: `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`. The
/// answer holds for all threads of the process.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let result: i64;
    // SAFETY: this call reads and writes no memory of the process; the kernel preserves
    // all registers but `rax`, `rcx` and `r11`. Where it is not known it returns an error.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// The operand of `ldtilecfg`.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Palette 1 with all eight tiles at their full size.
static WHOLE_TILES: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

thread_local! {
    /// How many [`TileConfig`]s this thread holds.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// While one is held, the tile registers of its thread are eight of 16 rows of 64 bytes.
/// The last one that is dropped gives the registers back, so that the system need not save
/// them any more.
pub(super) struct TileConfig {
    /// The registers belong to the thread.
    not_send: PhantomData<*const ()>,
}

impl TileConfig {
    /// Configures the tiles of the current thread.
    ///
    /// # Panics
    ///
    /// Where tiles are not [`available`].
    pub(super) fn new() -> Self {
        assert!(available(), "tile registers where there are none");
        if HELD.replace(HELD.get() + 1) == 0 {
            // SAFETY: tiles are available, and the operand is a valid configuration of 64
            // bytes. The contents of tiles that are lost are nobody's: this thread held no
            // `TileConfig`, without which no code of the process uses tiles.
            unsafe {
                asm!(
                    "ldtilecfg [{}]",
                    in(reg) &raw const WHOLE_TILES,
                    options(readonly, nostack, preserves_flags),
                );
            }
        }
        TileConfig { not_send: PhantomData }
    }
}

impl Drop for TileConfig {
    fn drop(&mut self) {
        if HELD.replace(HELD.get() - 1) == 1 {
            // SAFETY: tiles are available, since a `TileConfig` exists, and this one was
            // the last of the thread, so nothing relies on the configuration.
            unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) }
        }
    }
}

/// One call of `asm!`, since tiles hold their values only within one. `tmm0..4` are the
/// block, two tiles by two; `$step` adds to them what the group at `left` and `right`
/// gives, and may use `tmm4..8`; `$bytes` is the size of a group.
macro_rules! multiply {
    ($groups:expr, $left:expr, $right:expr, $block:expr, $accumulate:expr, $bytes:literal,
     [$($step:expr),* $(,)?]) => {
        asm!(
            "test {accumulate:e}, {accumulate:e}",
            "jz 2f",
            "tileloadd tmm0, [{block} + {block_row}*1]",
            "tileloadd tmm1, [{block} + {block_row}*1 + 64]",
            "tileloadd tmm2, [{block} + {block_row}*1 + 2048]",
            "tileloadd tmm3, [{block} + {block_row}*1 + 2112]",
            "jmp 3f",
            "2:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "3:",
            "test {groups}, {groups}",
            "jz 5f",
            ".p2align 4",
            "4:",
            $($step,)*
            concat!("add {left}, ", $bytes),
            concat!("add {right}, ", $bytes),
            "sub {groups}, 1",
            "jnz 4b",
            "5:",
            "tilestored [{block} + {block_row}*1], tmm0",
            "tilestored [{block} + {block_row}*1 + 64], tmm1",
            "tilestored [{block} + {block_row}*1 + 2048], tmm2",
            "tilestored [{block} + {block_row}*1 + 2112], tmm3",
            groups = inout(reg) $groups => _,
            left = inout(reg) $left => _,
            right = inout(reg) $right => _,
            block = in(reg) $block,
            accumulate = in(reg) u32::from($accumulate),
            row = in(reg) 64usize,
            block_row = in(reg) 128usize,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// Brings eight cache lines of the left panel near, 8 KiB ahead: right panels are used
/// again and again, left ones come from further away. Past the end it does nothing.
macro_rules! prefetch {
    ($first:literal) => {
        concat!(
            "prefetcht0 [{left} + 8192 + ",
            $first,
            "]\n",
            "prefetcht0 [{left} + 8192 + ",
            $first,
            " + 64]\n",
            "prefetcht0 [{left} + 8192 + ",
            $first,
            " + 128]\n",
            "prefetcht0 [{left} + 8192 + ",
            $first,
            " + 192]\n",
            "prefetcht0 [{left} + 8192 + ",
            $first,
            " + 256]\n",
            "prefetcht0 [{left} + 8192 + ",
            $first,
            " + 320]\n",
            "prefetcht0 [{left} + 8192 + ",
            $first,
            " + 384]\n",
            "prefetcht0 [{left} + 8192 + ",
            $first,
            " + 448]",
        )
    };
}

/// The product of `groups` groups of two left and two right tiles: `block =` it, or
/// `block +=` it with `accumulate`. Panels are quickest if they start on a cache line.
///
/// # Panics
///
/// When a panel is not of `groups * 1024` numbers.
pub(super) fn tile_fast(
    _: &TileConfig,
    groups: usize,
    left: &[u16],
    right: &[u16],
    block: &mut [f32; BLOCK],
    accumulate: bool,
) {
    assert_eq!(Some(left.len()), groups.checked_mul(2 * TILE), "a left panel of another length");
    assert_eq!(Some(right.len()), groups.checked_mul(2 * TILE), "a right panel of another length");
    // SAFETY: the reference to a `TileConfig`, which does not leave its thread, says that
    // the tiles of this thread are configured as 16 rows of 64 bytes. A step reads the
    // 2 KiB at `left` and at `right`, which advance by as much, for `groups` steps: the
    // lengths just checked. `block` is read and written as four tiles whose rows are 128
    // bytes apart, the last one ending 31 * 128 + 128 = 4096 bytes on. Prefetches do not
    // fault. The tiles, flags and registers that change are declared.
    unsafe {
        multiply!(
            groups,
            left.as_ptr(),
            right.as_ptr(),
            block.as_mut_ptr(),
            accumulate,
            2048,
            [
                "tileloadd tmm4, [{left} + {row}*1]",
                "tileloadd tmm6, [{right} + {row}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                prefetch!(0),
                "tileloadd tmm7, [{right} + {row}*1 + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                prefetch!(512),
                "tileloadd tmm5, [{left} + {row}*1 + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                prefetch!(1024),
                "tdpbf16ps tmm3, tmm5, tmm7",
                prefetch!(1536),
            ]
        );
    }
}

/// As [`tile_fast`] for numbers that are split in two, four tiles a side: the high parts,
/// then the low ones. A group adds `low * high`, `high * high` and `high * low`, in this
/// order, in which every tile is loaded once; `low * low` is below what is kept. Where an
/// infinity is multiplied, the result is infinite or NaN, since its factor has two parts.
///
/// # Panics
///
/// When a panel is not of `groups * 2048` numbers.
pub(super) fn tile_accurate(
    _: &TileConfig,
    groups: usize,
    left: &[u16],
    right: &[u16],
    block: &mut [f32; BLOCK],
    accumulate: bool,
) {
    assert_eq!(Some(left.len()), groups.checked_mul(4 * TILE), "a left panel of another length");
    assert_eq!(Some(right.len()), groups.checked_mul(4 * TILE), "a right panel of another length");
    // SAFETY: as in `tile_fast`, with steps of 4 KiB.
    unsafe {
        multiply!(
            groups,
            left.as_ptr(),
            right.as_ptr(),
            block.as_mut_ptr(),
            accumulate,
            4096,
            [
                "tileloadd tmm4, [{left} + {row}*1 + 2048]",
                "tileloadd tmm6, [{right} + {row}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                prefetch!(0),
                "tileloadd tmm7, [{right} + {row}*1 + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                prefetch!(512),
                "tileloadd tmm5, [{left} + {row}*1 + 3072]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                prefetch!(1024),
                "tdpbf16ps tmm3, tmm5, tmm7",
                prefetch!(1536),
                "tileloadd tmm4, [{left} + {row}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                prefetch!(2048),
                "tdpbf16ps tmm1, tmm4, tmm7",
                prefetch!(2560),
                "tileloadd tmm5, [{left} + {row}*1 + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                prefetch!(3072),
                "tdpbf16ps tmm3, tmm5, tmm7",
                prefetch!(3584),
                "tileloadd tmm6, [{right} + {row}*1 + 2048]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tileloadd tmm7, [{right} + {row}*1 + 3072]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm3, tmm5, tmm7",
            ]
        );
    }
}

#[cfg(test)]
mod tests;
