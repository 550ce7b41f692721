//! Operands at the edge of memory that must not be touched: reading or writing beyond an
//! operand by a single byte ends the process.
#![allow(unsafe_code)]

use half::{bf16, f16};

use super::super::buffer::Plain;
use super::super::panel::{Rows, Values};
use super::super::product::{Dims, PackedRows, Panels, Scratch, product};
use super::super::tail::{Out, Tail};
use super::*;

/// Which side of the values the forbidden page is on.
#[derive(Clone, Copy, Debug)]
enum Edge {
    Before,
    After,
}

/// Values that a forbidden page follows or precedes.
struct Guarded<T> {
    map: *mut u8,
    size: usize,
    values: *mut T,
    len: usize,
}

impl<T: Copy> Guarded<T> {
    fn new(edge: Edge, values: &[T]) -> Self {
        // SAFETY: asks for a number; no pointers.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let bytes = size_of_val(values);
        let size = bytes.next_multiple_of(page) + 2 * page;
        // SAFETY: a fresh private mapping of `size` bytes, of which the first and the last
        // page are made inaccessible and everything between stays readable and writable.
        // `values` are copied to a place between: directly after the first page, or up to
        // the last, whose distance from the page's start is a multiple of the alignment.
        unsafe {
            let (access, flags) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
            let map = libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0);
            assert_ne!(map, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(map, page, libc::PROT_NONE), 0);
            assert_eq!(libc::mprotect(map.add(size - page), page, libc::PROT_NONE), 0);
            let map = map.cast::<u8>();
            let place = match edge {
                Edge::Before => map.add(page),
                Edge::After => map.add(size - page - bytes),
            };
            let place = place.cast::<T>();
            std::ptr::copy_nonoverlapping(values.as_ptr(), place, values.len());
            Guarded { map, size, values: place, len: values.len() }
        }
    }

    fn get(&self) -> &[T] {
        // SAFETY: `new` has put `len` values there.
        unsafe { std::slice::from_raw_parts(self.values, self.len) }
    }

    fn get_mut(&mut self) -> &mut [T] {
        // SAFETY: as above; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.values, self.len) }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, which nothing refers to any more.
        unsafe { libc::munmap(self.map.cast(), self.size) };
    }
}

/// Panels that are all kept at the edge of their own mappings.
struct Edged<T: Tile>(Vec<Guarded<T::Element>>);

// SAFETY: the mappings are only read while they are shared.
unsafe impl<T: Tile> Sync for Edged<T> {}

impl<T: Tile> Panels<T::Element> for Edged<T> {
    fn panel<'a>(&'a self, index: usize, _: &'a mut Scratch<T::Element>) -> &'a [T::Element] {
        self.0[index].get()
    }

    fn is_kept(&self) -> bool {
        true
    }
}

fn zeros<T: Plain>(edge: Edge, len: usize) -> Guarded<T> {
    Guarded::new(edge, &vec![T::default(); len])
}

struct Packing;

impl Check for Packing {
    fn check<T: Tile>(&self, tile: T, _: Numbers) {
        let mut random = Random(21);
        for round in 0..40 {
            let edge = if round % 2 == 0 { Edge::After } else { Edge::Before };
            let (count, k) = (1 + random.below(T::ROWS), random.below(140));
            let stride = k + random.below(4);
            let values = random.floats((count - 1) * stride + k);
            let short: Vec<bf16> = values.iter().map(|x| bf16::from_f32(*x)).collect();
            let (values, short) = (Guarded::new(edge, &values), Guarded::new(edge, &short));
            let mut panel = zeros(edge, T::left_len(k));
            for values in [Values::F32(values.get()), Values::Bf16(short.get())] {
                tile.pack_left(Rows::new(values, count, k, stride).unwrap(), panel.get_mut());
            }
            let columns = random.floats(k * T::COLUMNS);
            let halves: Vec<f16> = columns.iter().map(|x| f16::from_f32(*x)).collect();
            let (columns, halves) = (Guarded::new(edge, &columns), Guarded::new(edge, &halves));
            let mut panel = zeros(edge, T::right_len(k));
            tile.pack_right(columns.get(), panel.get_mut());
            let mut scratch = zeros(edge, k * T::COLUMNS);
            tile.pack_right_f16(halves.get(), scratch.get_mut(), panel.get_mut());
        }
    }
}

#[test]
fn packing_stays_inside_of_its_operands() {
    each_tile(&Packing);
}

struct Products;

impl Check for Products {
    fn check<T: Tile>(&self, tile: T, _: Numbers) {
        let mut random = Random(22);
        for edge in [Edge::After, Edge::Before] {
            for _ in 0..6 {
                let (m, n, k) = (1 + random.below(70), 1 + random.below(90), random.below(400));
                product_at(edge, tile, Dims { rows: m, columns: n, inner: k }, &mut random);
            }
        }
    }
}

fn product_at<T: Tile>(edge: Edge, tile: T, dims: Dims, random: &mut Random) {
    let Dims { rows: m, columns: n, inner: k } = dims;
    let xs = random.floats(m * k);
    let rows = Rows::new(Values::F32(&xs), m, k, k).unwrap();
    let panels = (0..m.div_ceil(T::ROWS)).map(|index| {
        let mut panel = zeros(edge, T::left_len(k));
        tile.pack_left(rows.slice(index * T::ROWS, T::ROWS), panel.get_mut());
        panel
    });
    let left = Edged::<T>(panels.collect());
    let panels = (0..n.div_ceil(T::COLUMNS)).map(|_| {
        let mut panel = zeros(edge, T::right_len(k));
        tile.pack_right(&random.floats(k * T::COLUMNS), panel.get_mut());
        panel
    });
    let right = Edged::<T>(panels.collect());
    let bias = Guarded::new(edge, &random.floats(n));
    let residual = Guarded::new(edge, &random.floats(m * n));
    let tail = Tail { bias: Some(bias.get()), residual: Some(residual.get()), ..Tail::default() };
    let mut out = Guarded::new(edge, &vec![f32::NAN; m * n]);
    product(tile, dims, &left, &right, &tail, Out::F32(out.get_mut())).unwrap();
    let mut short = Guarded::new(edge, &vec![bf16::NAN; m * n]);
    product(tile, dims, &left, &right, &tail, Out::Bf16(short.get_mut())).unwrap();
    let packed = PackedRows::new(tile, rows);
    let mut same = vec![0f32; m * n];
    product(tile, dims, &packed, &right, &tail, Out::F32(&mut same)).unwrap();
    assert_eq!(out.get(), same);
    let rounded: Vec<_> = same.iter().map(|x| bf16::from_f32(*x)).collect();
    assert_eq!(short.get(), rounded);
    let mut session = tile.session();
    let mut block = zeros(edge, T::ROWS * T::COLUMNS);
    for (rows, accumulate) in [(1, false), (3, true), (7, true), (T::ROWS, true)] {
        let (left, right, block) = (left.0[0].get(), right.0[0].get(), block.get_mut());
        tile.multiply_rows(&mut session, rows.min(T::ROWS), k, left, right, block, accumulate);
    }
}

#[test]
fn products_stay_inside_of_their_operands() {
    each_tile(&Products);
}
