//! Large pages for large memory: fewer faults while it is first written, and fewer
//! misses of the translation cache afterwards.

/// `len` zeros, for the output of a layer.
pub(crate) fn zeros(len: usize) -> Vec<f32> {
    let values = vec![0f32; len];
    prefer_large_pages(values.as_ptr().cast(), size_of_val(&values[..]));
    values
}

/// Memory below this is not worth a call: a large page has 2 MiB.
const WORTHWHILE: usize = 8 << 20;

/// Asks for large pages in `bytes` bytes from `place`, best before they are written. A
/// system that does not know or want them goes on as before.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(super) fn prefer_large_pages(place: *const u8, bytes: usize) {
    const PAGE: usize = 4096;
    if bytes < WORTHWHILE {
        return;
    }
    let skipped = place.align_offset(PAGE);
    let len = (bytes - skipped.min(bytes)) / PAGE * PAGE;
    // SAFETY: this advice changes neither the contents of memory nor what may be accessed,
    // whichever memory it is given for; whole pages within the range are all it touches.
    // Where pages are larger than 4 KiB it may be refused, which does not matter.
    let _ = unsafe {
        libc::madvise(place.wrapping_add(skipped).cast_mut().cast(), len, libc::MADV_HUGEPAGE)
    };
}

#[cfg(not(target_os = "linux"))]
pub(super) fn prefer_large_pages(_: *const u8, bytes: usize) {
    let _ = bytes >= WORTHWHILE;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_memory_is_zero() {
        for len in [0, 1, 1000, WORTHWHILE / 4 - 1, WORTHWHILE / 4 + 1234] {
            let mut values = zeros(len);
            assert_eq!(values.len(), len);
            assert!(values.iter().all(|&x| x.to_bits() == 0));
            values.iter_mut().for_each(|x| *x = 1.0);
            assert!(values.iter().all(|&x| x == 1.0));
        }
    }
}
