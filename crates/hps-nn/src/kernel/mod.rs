//! Matrix products and element-wise loops for the host's instruction set.
//!
//! A [`Kernel`] is chosen once per process, from what the processor has or from
//! `HPS_NN_KERNEL`. A product is cut into blocks of output whose operands are
//! packed into panels; the [`Tile`] of a kernel computes one block from two panels.
//! Packing, cutting and the tail (bias, activation, residual) are the same for all.
//!
//! Every element is summed over the inner dimension in one fixed order, whatever
//! block it falls into, so results depend on neither batch nor thread count.

#[cfg(any(test, target_arch = "x86_64"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod amx_tiles;
#[cfg(target_arch = "x86_64")]
mod amx_unit;
mod attention;
mod attention_panels;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_bf16;
mod bf16;
mod buffer;
mod choice;
mod conv;
mod conv_geometry;
mod conv_pixels;
mod dispatch;
mod filters;
#[cfg(target_arch = "x86_64")]
mod half_floats;
mod math;
mod out;
mod pages;
mod panel;
mod peak;
mod portable;
mod product;
mod softmax;
mod tail;
mod tile;
#[cfg(target_arch = "x86_64")]
mod transpose;
mod vector;
mod weights;

pub(crate) use attention::{Attention, attend};
pub(crate) use attention_panels::Sequences;
pub use choice::{Kernel, KernelChoice, kernel};
pub(crate) use conv_geometry::Geometry;
pub(crate) use filters::{PackedFilters, Pictures, pack_filters};
pub(crate) use math::{gelu, gelu_tanh, swish};
pub(crate) use pages::zeros;
pub(crate) use panel::{Rows, Values};
pub use peak::peak_flops;
pub(crate) use tail::{Out, Tail};
pub(crate) use vector::{Routine, multiply_add, vectorise};
pub(crate) use weights::{PackedWeights, pack_gated_weights, pack_weights};

#[cfg(test)]
mod tests;
