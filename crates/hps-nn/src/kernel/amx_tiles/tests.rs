#![allow(clippy::print_stderr)]

use super::super::bf16::{round, split, widen};
use super::*;

const DEPTH: usize = 32;
const SIDE: usize = 32;
/// Half the distance from 1 to the next `f32`.
const ROUNDING: f64 = (f32::EPSILON / 2.0) as f64;

/// The tiles of this thread, or nothing where there are none.
fn tiles() -> Option<TileConfig> {
    if !available() {
        eprintln!("skipped: no AMX-BF16 on this machine, or the system does not offer it");
        return None;
    }
    Some(TileConfig::new())
}

/// Numbers in -1..1, the same for the same seed.
fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// The panel of a `32 x k` matrix in row-major order, a part of each number.
fn left_panel(values: &[f32], parts: &[fn(f32) -> u16]) -> Vec<u16> {
    let k = values.len() / SIDE;
    let mut panel = Vec::new();
    for start in (0..k).step_by(DEPTH) {
        for part in parts {
            for row in values.chunks_exact(k) {
                panel.extend(row[start..start + DEPTH].iter().map(|&x| part(x)));
            }
        }
    }
    panel
}

/// The panel of a `k x 32` matrix in row-major order, a part of each number.
fn right_panel(values: &[f32], parts: &[fn(f32) -> u16]) -> Vec<u16> {
    let mut panel = Vec::new();
    for group in values.chunks_exact(DEPTH * SIDE) {
        for part in parts {
            for half in [0, SIDE / 2] {
                for pair in group.chunks_exact(2 * SIDE) {
                    for column in half..half + SIDE / 2 {
                        panel.extend([part(pair[column]), part(pair[SIDE + column])]);
                    }
                }
            }
        }
    }
    panel
}

const WHOLE: &[fn(f32) -> u16] = &[round];
const PARTS: &[fn(f32) -> u16] = &[|x| split(x).0, |x| split(x).1];

/// Operands that are bf16 numbers, and the block of their product.
fn product(tiles: &TileConfig, left: &[f32], right: &[f32]) -> [f32; BLOCK] {
    let mut block = [f32::NAN; BLOCK];
    let groups = left.len() / SIDE / DEPTH;
    let (left, right) = (left_panel(left, WHOLE), right_panel(right, WHOLE));
    tile_fast(tiles, groups, &left, &right, &mut block, false);
    block
}

fn bits(block: &[f32; BLOCK]) -> Vec<u32> {
    block.iter().map(|x| x.to_bits()).collect()
}

/// Compares a block with `start + left @ right` for parts of `left` and `right` as
/// `terms` says. Every sum is rounded: within a tile 16 times and once more, then
/// once per tile.
fn check(block: &[f32; BLOCK], start: f32, left: &[f32], right: &[f32], terms: Terms) {
    let k = left.len() / SIDE;
    for (index, &got) in block.iter().enumerate() {
        let (row, column) = (index / SIDE, index % SIDE);
        let (mut sum, mut size) = (f64::from(start), f64::from(start.abs()));
        for step in 0..k {
            for term in terms(left[row * k + step], right[step * SIDE + column]) {
                sum += term;
                size += term.abs();
            }
        }
        let roundings = (18 + 3 * k / DEPTH) as f64;
        let error = (f64::from(got) - sum).abs();
        assert!(error <= 1.01 * roundings * ROUNDING * size, "{row}, {column}: {got} {sum}");
    }
}

type Terms = fn(f32, f32) -> [f64; 3];

fn rounded(a: f32, b: f32) -> [f64; 3] {
    [f64::from(widen(round(a))) * f64::from(widen(round(b))), 0.0, 0.0]
}

fn in_parts(a: f32, b: f32) -> [f64; 3] {
    let [(a, a_low), (b, b_low)] = [a, b].map(|x| {
        let (high, low) = split(x);
        (f64::from(widen(high)), f64::from(widen(low)))
    });
    [a * b, a_low * b, a * b_low]
}

#[test]
fn blocks_are_products() {
    let Some(tiles) = tiles() else { return };
    for groups in 1..=40 {
        let len = groups * DEPTH * SIDE;
        let (left, right) = (numbers(groups as u64, len), numbers(99 + groups as u64, len));
        let block = product(&tiles, &left, &right);
        check(&block, 0.0, &left, &right, rounded);

        let (packed, columns) = (left_panel(&left, PARTS), right_panel(&right, PARTS));
        let mut block = [f32::NAN; BLOCK];
        tile_accurate(&tiles, groups, &packed, &columns, &mut block, false);
        check(&block, 0.0, &left, &right, in_parts);
    }
}

#[test]
fn blocks_are_added_to() {
    let Some(tiles) = tiles() else { return };
    let (left, right) = (numbers(1, 3 * DEPTH * SIDE), numbers(2, 3 * DEPTH * SIDE));
    let mut block = [5.5; BLOCK];
    let (packed, columns) = (left_panel(&left, WHOLE), right_panel(&right, WHOLE));
    tile_fast(&tiles, 3, &packed, &columns, &mut block, true);
    check(&block, 5.5, &left, &right, rounded);

    let mut block = [-7.25; BLOCK];
    let (packed, columns) = (left_panel(&left, PARTS), right_panel(&right, PARTS));
    tile_accurate(&tiles, 3, &packed, &columns, &mut block, true);
    check(&block, -7.25, &left, &right, in_parts);
}

#[test]
fn no_group_leaves_or_clears_the_block() {
    let Some(tiles) = tiles() else { return };
    let start: [f32; BLOCK] = std::array::from_fn(|index| index as f32);
    let mut block = start;
    tile_fast(&tiles, 0, &[], &[], &mut block, true);
    tile_accurate(&tiles, 0, &[], &[], &mut block, true);
    assert_eq!(block, start);
    tile_fast(&tiles, 0, &[], &[], &mut block, false);
    assert_eq!(block, [0.0; BLOCK]);
    tile_accurate(&tiles, 0, &[], &[], &mut { start }, false);
}

#[test]
fn cutting_changes_no_bit() {
    let Some(tiles) = tiles() else { return };
    let groups = 9;
    let len = groups * DEPTH * SIDE;
    let (left, right) = (numbers(5, len), numbers(6, len));
    for (parts, multiply) in [(WHOLE, tile_fast as Multiply), (PARTS, tile_accurate)] {
        let (left, right) = (left_panel(&left, parts), right_panel(&right, parts));
        let mut whole = [0.0; BLOCK];
        multiply(&tiles, groups, &left, &right, &mut whole, false);
        for cut in 0..=groups {
            let mut block = [f32::NAN; BLOCK];
            let (left, right) = (
                left.split_at(cut * 2 * TILE * parts.len()),
                right.split_at(cut * 2 * TILE * parts.len()),
            );
            multiply(&tiles, cut, left.0, right.0, &mut block, false);
            multiply(&tiles, groups - cut, left.1, right.1, &mut block, true);
            assert_eq!(bits(&block), bits(&whole), "cut at {cut}");
        }
    }
}

type Multiply = fn(&TileConfig, usize, &[u16], &[u16], &mut [f32; BLOCK], bool);

#[test]
fn elements_do_not_depend_on_their_place() {
    let Some(tiles) = tiles() else { return };
    let k = 5 * DEPTH;
    let (row, column) = (numbers(3, k), numbers(4, k));
    let left = row.repeat(SIDE);
    let right: Vec<f32> = column.iter().flat_map(|&x| [x; SIDE]).collect();
    for (parts, multiply) in [(WHOLE, tile_fast as Multiply), (PARTS, tile_accurate)] {
        let (left, right) = (left_panel(&left, parts), right_panel(&right, parts));
        let mut block = [f32::NAN; BLOCK];
        multiply(&tiles, 5, &left, &right, &mut block, false);
        assert!(block[0] != 0.0 && bits(&block) == vec![block[0].to_bits(); BLOCK]);
    }
}

#[test]
fn panels_and_blocks_need_no_alignment() {
    let Some(tiles) = tiles() else { return };
    let (left, right) = (numbers(7, DEPTH * SIDE), numbers(8, DEPTH * SIDE));
    let expected = product(&tiles, &left, &right);
    for shift in [1, 3, 17] {
        let move_by = |panel: Vec<u16>| [vec![0; shift], panel].concat();
        let left = move_by(left_panel(&left, WHOLE));
        let right = move_by(right_panel(&right, WHOLE));
        let mut values = vec![0f32; shift + BLOCK];
        let block = values[shift..].first_chunk_mut().expect("a block");
        tile_fast(&tiles, 1, &left[shift..], &right[shift..], block, false);
        assert_eq!(bits(block), bits(&expected));
    }
}

#[test]
fn what_is_not_finite_stays_in_its_row() {
    let Some(tiles) = tiles() else { return };
    let k = 2 * DEPTH;
    let right: Vec<f32> = numbers(9, k * SIDE).iter().map(|x| x.abs() + 0.5).collect();
    for (row, step) in [(0, 0), (15, 33), (16, 31), (31, 63)] {
        let mut left = vec![1f32; SIDE * k];
        for (value, is_there) in [
            (f32::NAN, f32::is_nan as fn(f32) -> bool),
            (f32::INFINITY, |x| x == f32::INFINITY),
            (f32::NEG_INFINITY, |x| x == f32::NEG_INFINITY),
        ] {
            left[row * k + step] = value;
            for (parts, multiply) in [(WHOLE, tile_fast as Multiply), (PARTS, tile_accurate)] {
                let (left, right) = (left_panel(&left, parts), right_panel(&right, parts));
                let mut block = [0.0; BLOCK];
                multiply(&tiles, 2, &left, &right, &mut block, false);
                for (index, got) in block.into_iter().enumerate() {
                    assert_eq!(got.is_finite(), index / SIDE != row, "{value} gave {got}");
                    // In parts, an infinity may also meet a part of the other sign.
                    assert!(got.is_finite() || got.is_nan() || is_there(got));
                    assert!(got.is_finite() || parts.len() == 2 || is_there(got));
                }
            }
        }
    }
    // Infinity by zero, and infinities of both signs.
    let mut left = vec![0f32; SIDE * DEPTH];
    left[..2].copy_from_slice(&[f32::INFINITY, f32::NEG_INFINITY]);
    let mut right = vec![1f32; DEPTH * SIDE];
    assert!(product(&tiles, &left, &right)[..SIDE].iter().all(|x| x.is_nan()));
    left[1] = 0.0;
    right[..SIDE].fill(0.0);
    assert!(product(&tiles, &left, &right)[..SIDE].iter().all(|x| x.is_nan()));
}

#[test]
fn denormals_count_as_zero() {
    let Some(tiles) = tiles() else { return };
    let largest_denormal = widen(0x7f);
    let smallest = f32::MIN_POSITIVE;
    let block = |a: f32, b: f32| product(&tiles, &[a; SIDE * DEPTH], &[b; DEPTH * SIDE])[0];
    // Inputs, though the product would not be one.
    assert_eq!(block(largest_denormal, 2f32.powi(100)), 0.0);
    assert_eq!(block(2f32.powi(100), largest_denormal), 0.0);
    assert_eq!(block(smallest, 2f32.powi(100)), 32.0 * smallest * 2f32.powi(100));
    // Results.
    assert_eq!(block(smallest, 2f32.powi(-8)), 0.0);
    // What is added to.
    let (left, right) = (vec![0u16; 2 * TILE], vec![0u16; 2 * TILE]);
    let mut block = [largest_denormal; BLOCK];
    tile_fast(&tiles, 1, &left, &right, &mut block, true);
    assert_eq!(block, [0.0; BLOCK]);
}

#[test]
fn sums_of_a_tile_are_rounded_in_the_order_of_the_manual() {
    let Some(tiles) = tiles() else { return };
    // 2^24 and ones in the even steps: every one is lost, a tie to even. Those of the
    // odd steps are summed apart, and the 16 arrive together.
    let mut left = vec![1f32; SIDE * DEPTH];
    left.iter_mut().step_by(DEPTH).for_each(|x| *x = 2f32.powi(24));
    let block = product(&tiles, &left, &vec![1.0; DEPTH * SIDE]);
    assert_eq!(block, [2f32.powi(24) + 16.0; BLOCK]);
}

#[test]
fn threads_have_their_own_tiles() {
    let Some(tiles) = tiles() else { return };
    let groups = 40;
    let of = |seed: u64| {
        let len = groups * DEPTH * SIDE;
        (left_panel(&numbers(seed, len), PARTS), right_panel(&numbers(seed + 1, len), PARTS))
    };
    let run = |tiles: &TileConfig, (left, right): &(Vec<u16>, Vec<u16>)| {
        let mut block = [0.0; BLOCK];
        tile_accurate(tiles, groups, left, right, &mut block, false);
        bits(&block)
    };
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (panels, run) = (of(10 * seed), &run);
            let expected = run(&tiles, &panels);
            scope.spawn(move || {
                for _ in 0..20 {
                    assert_eq!(run(&TileConfig::new(), &panels), expected);
                }
            });
        }
    });
}

#[test]
fn the_last_configuration_of_a_thread_counts() {
    let Some(outer) = tiles() else { return };
    let (left, right) = (numbers(1, DEPTH * SIDE), numbers(2, DEPTH * SIDE));
    let expected = bits(&product(&outer, &left, &right));
    let inner = TileConfig::new();
    drop(outer);
    assert_eq!(bits(&product(&inner, &left, &right)), expected);
    drop(inner);
    assert_eq!(bits(&product(&TileConfig::new(), &left, &right)), expected);
}

#[test]
fn lengths_are_checked() {
    let Some(_tiles) = tiles() else { return };
    for (left, right) in [(1023, 1024), (1024, 1025), (0, 1024), (2048, 2048)] {
        let panicked = std::panic::catch_unwind(|| {
            let (left, right) = (vec![0; left], vec![0; right]);
            tile_fast(&TileConfig::new(), 1, &left, &right, &mut [0.0; BLOCK], false);
        });
        assert!(panicked.is_err(), "{left}, {right}");
        let panicked = std::panic::catch_unwind(|| {
            let (left, right) = (vec![0; 2 * left], vec![0; 2 * right]);
            tile_accurate(&TileConfig::new(), 1, &left, &right, &mut [0.0; BLOCK], false);
        });
        assert!(panicked.is_err(), "{left}, {right}");
    }
}
