//! The inverse discrete cosine transform of libjpeg-turbo ("islow").
//!
//! The algorithm is that of Loeffler, Ligtenberg and Moschytz (1989) with 13-bit
//! constants; two extra fraction bits are kept between the passes.

use super::frame::{Block, QuantTable};

const CONST_BITS: u32 = 13;
const PASS1_BITS: u32 = 2;

/// 8×8 samples of a block of quantized coefficients.
pub(super) fn inverse(block: &Block, quant: &QuantTable) -> [u8; 64] {
    // 64-bit intermediates cannot overflow, whatever a damaged file holds.
    let mut work = [0_i64; 64];
    for column in 0..8 {
        let input = |row: usize| {
            let at = 8 * row + column;
            i64::from(block[at]) * i64::from(quant[at])
        };
        let output = transform(std::array::from_fn(input));
        for (row, value) in output.into_iter().enumerate() {
            work[8 * row + column] = descale(value, CONST_BITS - PASS1_BITS);
        }
    }
    let mut samples = [0; 64];
    for (work, samples) in work.as_chunks().0.iter().zip(samples.as_chunks_mut::<8>().0) {
        *samples = transform(*work)
            .map(|value| (descale(value, CONST_BITS + PASS1_BITS + 3) + 128).clamp(0, 255) as u8);
    }
    samples
}

fn descale(value: i64, bits: u32) -> i64 {
    (value + (1 << (bits - 1))) >> bits
}

/// The one-dimensional transform; results are scaled by 2^[`CONST_BITS`].
#[inline(always)]
fn transform(input: [i64; 8]) -> [i64; 8] {
    // Even part.
    let z1 = (input[2] + input[6]) * 4433;
    let even2 = z1 - input[6] * 15137;
    let even3 = z1 + input[2] * 6270;
    let even0 = (input[0] + input[4]) << CONST_BITS;
    let even1 = (input[0] - input[4]) << CONST_BITS;
    let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];

    // Odd part.
    let z5 = (input[7] + input[3] + input[5] + input[1]) * 9633;
    let z1 = (input[7] + input[1]) * -7373;
    let z2 = (input[5] + input[3]) * -20995;
    let z3 = (input[7] + input[3]) * -16069 + z5;
    let z4 = (input[5] + input[1]) * -3196 + z5;
    let odd = [
        input[1] * 12299 + z1 + z4,
        input[3] * 25172 + z2 + z3,
        input[5] * 16819 + z2 + z4,
        input[7] * 2446 + z1 + z3,
    ];
    [
        even[0] + odd[0],
        even[1] + odd[1],
        even[2] + odd[2],
        even[3] + odd[3],
        even[3] - odd[3],
        even[2] - odd[2],
        even[1] - odd[1],
        even[0] - odd[0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transform by its definition, in floating point.
    fn by_definition(block: &Block) -> [f64; 64] {
        let scale = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let basis = |k: usize, x: usize| {
            scale(k) / 2.0 * ((2 * x + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()
        };
        std::array::from_fn(|at| {
            let (x, y) = (at % 8, at / 8);
            let term = |k: usize| f64::from(block[k]) * basis(k % 8, x) * basis(k / 8, y);
            (0..64).map(term).sum::<f64>() + 128.0
        })
    }

    #[test]
    fn close_to_the_definition() {
        let mut state = 1_u32;
        for _ in 0..200 {
            let mut block = [0; 64];
            for (index, value) in block.iter_mut().enumerate() {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *value = ((state >> 16) as i16 % 600) / (1 + index as i16);
            }
            let samples = inverse(&block, &[1; 64]);
            for (sample, exact) in samples.iter().zip(by_definition(&block)) {
                let exact = exact.clamp(0.0, 255.0);
                assert!((f64::from(*sample) - exact).abs() < 0.6, "{sample} {exact}");
            }
        }
    }

    #[test]
    fn extreme_coefficients_do_not_overflow() {
        assert_eq!(inverse(&[i16::MAX; 64], &[u16::MAX; 64])[0], 255);
        assert_eq!(inverse(&[i16::MIN; 64], &[u16::MAX; 64])[0], 0);
    }
}
