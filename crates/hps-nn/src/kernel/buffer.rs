//! Memory that starts on a cache line.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use super::pages::prefer_large_pages;

/// A cache line; tile loads that cross one run at half the speed.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u8; 64]);

/// Numbers that may have any bits, so that lines can be seen as them.
///
/// # Safety
///
/// Every bit pattern must be a value of the type, without padding, and its size must
/// divide 64.
#[allow(unsafe_code)]
pub(crate) unsafe trait Plain: Copy + Default + Send + Sync + 'static {}

// SAFETY: all bits are values; sizes 4, 2 and 2.
#[allow(unsafe_code)]
unsafe impl Plain for f32 {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Plain for u16 {}
// SAFETY: as above; `f16` is a transparent `u16`.
#[allow(unsafe_code)]
unsafe impl Plain for half::f16 {}

/// A fixed number of values, the first on a cache line.
pub(crate) struct Buffer<T> {
    lines: Vec<Line>,
    len: usize,
    /// Whether the memory goes back to the [`POOL`].
    pooled: bool,
    values: PhantomData<T>,
}

impl<T: Plain> Buffer<T> {
    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        Buffer { lines: new_lines(lines::<T>(len)), len, pooled: false, values: PhantomData }
    }

    /// `len` values, any. The memory is used again and again: fresh memory is handed out
    /// by the system page by page, at a price that shows in products.
    pub(crate) fn scratch(len: usize) -> Self {
        let lines = POOL.take(lines::<T>(len));
        Buffer { lines, len, pooled: true, values: PhantomData }
    }

    /// Makes it at least `len` long; what it held is lost.
    pub(crate) fn reserve(&mut self, len: usize) {
        if self.len < len {
            *self = Buffer::scratch(len);
        }
    }
}

/// Lines that hold `len` values.
fn lines<T>(len: usize) -> usize {
    (len * size_of::<T>()).div_ceil(size_of::<Line>())
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        if self.pooled {
            POOL.put(std::mem::take(&mut self.lines));
        }
    }
}

/// Memory of scratch buffers that are not in use.
static POOL: Pool = Pool { kept: Mutex::new(Vec::new()) };

struct Pool {
    kept: Mutex<Vec<Vec<Line>>>,
}

impl Pool {
    /// The largest number of buffers and of bytes that are kept.
    const BUFFERS: usize = 64;
    const BYTES: usize = 64 << 20;

    fn take(&self, lines: usize) -> Vec<Line> {
        if lines == 0 {
            return Vec::new();
        }
        let mut pool = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Not one that is much too large: a later request would miss it.
        let fits = pool.iter().position(|kept| (lines..=4 * lines).contains(&kept.len()));
        let kept = fits.map(|index| pool.swap_remove(index));
        drop(pool);
        kept.unwrap_or_else(|| new_lines(lines))
    }

    /// Keeps `lines`; if that is too much, the smallest buffers go.
    fn put(&self, lines: Vec<Line>) {
        let bytes = |lines: &Vec<Line>| lines.len() * size_of::<Line>();
        if lines.is_empty() || bytes(&lines) > Self::BYTES {
            return;
        }
        let mut pool = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        pool.push(lines);
        while pool.len() > Self::BUFFERS || pool.iter().map(bytes).sum::<usize>() > Self::BYTES {
            let smallest = pool.iter().enumerate().min_by_key(|(_, kept)| kept.len());
            let Some(index) = smallest.map(|(index, _)| index) else { return };
            pool.swap_remove(index);
        }
    }
}

fn new_lines(count: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::with_capacity(count);
    prefer_large_pages(lines.as_ptr().cast(), count * size_of::<Line>());
    lines.resize(count, Line([0; 64]));
    lines
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    #[allow(unsafe_code)]
    fn deref(&self) -> &[T] {
        // SAFETY: `lines` holds at least `len * size_of::<T>()` initialised bytes, aligned
        // to 64 and so to `T`, and any bits are values of a `Plain` type.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Plain> DerefMut for Buffer<T> {
    #[allow(unsafe_code)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_start_on_a_line() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let mut buffer = Buffer::<f32>::zeroed(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            buffer.iter_mut().for_each(|value| *value = 1.0);
            assert_eq!(buffer.iter().sum::<f32>(), len as f32);
        }
    }

    #[test]
    fn scratch_has_its_length() {
        for len in [0, 1, 1000, 100_000] {
            assert_eq!(Buffer::<f32>::scratch(len).len(), len);
            let mut buffer = Buffer::<u16>::scratch(len);
            buffer.iter_mut().for_each(|value| *value = 7);
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % 64), (len, 0));
        }
    }

    #[test]
    fn memory_is_used_again() {
        let pool = Pool { kept: Mutex::new(Vec::new()) };
        let lines = pool.take(1000);
        let place = lines.as_ptr();
        pool.put(lines);
        let smaller = pool.take(600);
        assert_eq!((smaller.as_ptr(), smaller.len()), (place, 1000));
        pool.put(smaller);
        // Neither too small nor much too large.
        assert_eq!(pool.take(1001).len(), 1001);
        assert_eq!(pool.take(200).len(), 200);
        let again = pool.take(1000);
        assert_eq!(again.as_ptr(), place);
    }

    #[test]
    fn the_pool_keeps_the_largest() {
        let pool = Pool { kept: Mutex::new(Vec::new()) };
        for lines in 1..=Pool::BUFFERS + 3 {
            pool.put(new_lines(lines));
        }
        pool.put(new_lines(Pool::BYTES / 64 + 1));
        let kept: Vec<_> = pool.kept.lock().expect("a lock").iter().map(Vec::len).collect();
        assert_eq!((kept.len(), kept.iter().min()), (Pool::BUFFERS, Some(&4)));
    }
}
