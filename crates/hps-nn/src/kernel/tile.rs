//! What a kernel has to provide: the product of two panels.

use super::buffer::Plain;
use super::panel::Rows;
use super::vector::Routine;

/// The arithmetic of one block of output, `ROWS x COLUMNS`.
///
/// Operands are packed: a panel of the left side holds `ROWS` rows, a panel of the
/// right side `COLUMNS` columns, each over the whole inner dimension, in the order in
/// which `multiply` reads them. Missing rows, columns and inner steps are zeros.
///
/// A panel over `k` inner steps begins with the panel over its first `STEPS`, so a
/// product may be cut into several calls of `multiply`, each starting at
/// `left_len(start)` and `right_len(start)` with `start` a multiple of `STEPS`. Cutting
/// changes no bit.
pub(crate) trait Tile: Copy + Send + Sync + 'static {
    /// A number of a panel.
    type Element: Plain;
    /// What a thread holds while it multiplies.
    type Session;

    /// Rows of a block.
    const ROWS: usize;
    /// Columns of a block, a multiple of 16 and at most 64.
    const COLUMNS: usize;
    /// Inner steps whose right panel stays in the first-level cache beside the left one.
    const STEPS: usize;
    /// Bytes of left panels that consecutive tasks share, each with another right panel.
    /// Measured best for `f32` and bf16 with AVX-512 on Zen 4, whose third-level cache is
    /// quick enough for these.
    const SHARED_BYTES: usize = 3 << 20;
    /// Whether weights that are half floats are kept as such and made into panels at
    /// every use, which halves their memory at little cost in time.
    const KEEPS_F16: bool;

    /// Whether packing rounds rows to bf16, so that rounding them earlier changes no bit.
    const ROUNDS_ROWS: bool;

    /// Prepares the current thread.
    fn session(self) -> Self::Session;

    /// Elements of a left panel over `k` inner steps.
    fn left_len(k: usize) -> usize;

    /// Elements of a right panel over `k` inner steps.
    fn right_len(k: usize) -> usize;

    /// Packs up to `ROWS` rows into `panel`, of [`left_len`](Self::left_len).
    fn pack_left(self, rows: Rows<'_>, panel: &mut [Self::Element]);

    /// Packs `columns`, `k` rows of `COLUMNS` values (the inner dimension is the outer
    /// one in memory), into `panel`, of [`right_len`](Self::right_len).
    fn pack_right(self, columns: &[f32], panel: &mut [Self::Element]);

    /// As [`pack_right`](Self::pack_right), from half floats. `scratch` has the length
    /// of `columns`.
    fn pack_right_f16(
        self,
        columns: &[half::f16],
        scratch: &mut [f32],
        panel: &mut [Self::Element],
    );

    /// The product of a left and a right panel over `k` inner steps: `block =` it, or
    /// `block +=` it with `accumulate`. `block` is `ROWS` rows of `COLUMNS`.
    fn multiply(
        self,
        session: &mut Self::Session,
        k: usize,
        left: &[Self::Element],
        right: &[Self::Element],
        block: &mut [f32],
        accumulate: bool,
    );

    /// As [`multiply`](Self::multiply), but rows of `block` from `rows` on may be left
    /// as they are. The others have the same bits.
    #[expect(clippy::too_many_arguments, reason = "those of `multiply` and one")]
    fn multiply_rows(
        self,
        session: &mut Self::Session,
        rows: usize,
        k: usize,
        left: &[Self::Element],
        right: &[Self::Element],
        block: &mut [f32],
        accumulate: bool,
    ) {
        let _ = rows;
        self.multiply(session, k, left, right, block, accumulate);
    }

    /// Runs a loop compiled for this kernel's instruction set.
    fn vectorise<R: Routine>(self, routine: R) -> R::Output;
}
