//! Loops compiled for several instruction sets.
//!
//! A [`Routine`] is ordinary Rust that the compiler vectorises; it is inlined into one
//! function per instruction set, and the one for the [`Kernel`] is called.

use super::choice::Kernel;

/// A computation whose loops profit from wide vectors. Its `run` must be
/// `#[inline(always)]`, as must everything hot that it calls.
pub(crate) trait Routine {
    /// What it returns.
    type Output;

    /// Runs it. `FMA` says that `f32::mul_add` is one instruction here; without it,
    /// multiply and add separately, since a fused one would be a library call.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// Runs `routine` with the instructions of `kernel`, which must be available.
pub(crate) fn vectorise<R: Routine>(kernel: Kernel, routine: R) -> R::Output {
    debug_assert!(kernel.is_available());
    #[cfg(target_arch = "x86_64")]
    match kernel {
        Kernel::Amx | Kernel::Avx512Bf16 | Kernel::Avx512 => return avx512(routine),
        Kernel::Avx2 => return avx2(routine),
        Kernel::Portable => {}
    }
    let _ = kernel;
    routine.run::<false>()
}

/// Runs `routine` with AVX-512; the caller has seen that the processor has it.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
pub(super) fn avx512<R: Routine>(routine: R) -> R::Output {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi2")]
    fn inner<R: Routine>(routine: R) -> R::Output {
        routine.run::<true>()
    }
    // SAFETY: the features are those that `Kernel::missing` asks for before any of the
    // AVX-512 kernels is handed out (bmi2 comes with every processor that has avx512f).
    unsafe { inner(routine) }
}

/// Runs `routine` with AVX2; the caller has seen that the processor has it.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
pub(super) fn avx2<R: Routine>(routine: R) -> R::Output {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn inner<R: Routine>(routine: R) -> R::Output {
        routine.run::<true>()
    }
    // SAFETY: the features are those that `Kernel::missing` asks for before the kernel
    // is handed out.
    unsafe { inner(routine) }
}

/// `a * b + c`.
#[inline(always)]
pub(crate) fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}
