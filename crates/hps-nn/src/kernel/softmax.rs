//! The softmax of attention, over the rows of `[keys][queries]`.

use super::vector::{Routine, multiply_add};

/// Channels of the output that are turned at a time.
pub(super) const WIDEST: usize = 64;
/// Queries handled at a time.
const LANES: usize = 16;

type Lanes = [f32; LANES];

/// What a panel of queries remembers of the keys it has seen.
pub(super) struct Softmax {
    max: [Lanes; 4],
    sum: [Lanes; 4],
    /// By how much the last block's maxima make all before them smaller.
    scale: [Lanes; 4],
}

impl Softmax {
    pub(super) fn new() -> Self {
        let all = |x: f32| [[x; LANES]; 4];
        Softmax { max: all(f32::NEG_INFINITY), sum: all(0.0), scale: all(1.0) }
    }

    /// Whether the last block changed the scale of any query.
    pub(super) fn has_grown(&self) -> bool {
        self.scale.as_flattened().iter().any(|&scale| scale != 1.0)
    }
}

/// Makes logarithms (base 2) of weights, `[keys][columns]`, weights relative to the
/// largest so far.
pub(super) struct Soften<'a> {
    pub scores: &'a mut [f32],
    pub columns: usize,
    /// With causal attention, the first query's position minus the first key's.
    pub ahead: Option<isize>,
    pub softmax: &'a mut Softmax,
}

impl Routine for Soften<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Soften { scores, columns, ahead, softmax } = self;
        let Softmax { max, sum, scale } = softmax;
        let states = max.iter_mut().zip(sum).zip(scale);
        for (strip, ((max, sum), scale)) in states.take(columns / LANES).enumerate() {
            let first = strip * LANES;
            if let Some(ahead) = ahead {
                mask(scores, columns, first, ahead);
            }
            let mut largest = *max;
            for scores in strips(scores, columns, first) {
                // A comparison in this direction passes over NaN, which comes back below.
                each(&mut largest, |lane, x| if scores[lane] > x { scores[lane] } else { x });
            }
            // Without any weight so far there is no reference: -inf - -inf is no number.
            let mut reference = largest;
            each(&mut reference, |_, x| if x == f32::NEG_INFINITY { 0.0 } else { x });
            each(scale, |lane, _| power::<FMA>(max[lane] - reference[lane]));
            let mut total = [0f32; LANES];
            for scores in strips(scores, columns, first) {
                let mut weights = *scores;
                each(&mut weights, |lane, x| power::<FMA>(x - reference[lane]));
                each(&mut total, |lane, x| x + weights[lane]);
                *scores = weights;
            }
            each(sum, |lane, x| multiply_add::<FMA>(x, scale[lane], total[lane]));
            *max = largest;
        }
    }
}

/// Hides the keys after each query.
#[inline(always)]
fn mask(scores: &mut [f32], columns: usize, first: usize, ahead: isize) {
    for (key, scores) in strips(scores, columns, first).enumerate() {
        let behind = key as isize - ahead - first as isize;
        if behind > 0 {
            let hidden = scores.iter_mut().take(behind as usize);
            hidden.for_each(|x| *x = f32::NEG_INFINITY);
        }
    }
}

/// Columns `first..first + LANES` of every row.
#[inline(always)]
fn strips(scores: &mut [f32], columns: usize, first: usize) -> impl Iterator<Item = &mut Lanes> {
    let rows = scores.chunks_exact_mut(columns);
    rows.filter_map(move |row| row[first..].first_chunk_mut::<LANES>())
}

#[inline(always)]
fn each(lanes: &mut Lanes, f: impl Fn(usize, f32) -> f32) {
    for (lane, x) in lanes.iter_mut().enumerate() {
        *x = f(lane, *x);
    }
}

/// `2^x` for `x` up to 0, within 2 units in the last place; 0 below -125. NaN stays NaN.
#[inline(always)]
fn power<const FMA: bool>(x: f32) -> f32 {
    /// 1.5 * 2^23: adding it rounds to an integer, which stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let rounded = x + ROUND;
    let r = x - (rounded - ROUND);
    // 2^r on -0.5..0.5 by least squares with Lawson's weights, relative error 2e-9.
    let p = multiply_add::<FMA>(r, 1.535_336_2e-4, 1.339_887_5e-3);
    let p = multiply_add::<FMA>(r, p, 9.618_437e-3);
    let p = multiply_add::<FMA>(r, p, 5.550_332_4e-2);
    let p = multiply_add::<FMA>(r, p, 0.240_226_48);
    let p = multiply_add::<FMA>(r, p, std::f32::consts::LN_2);
    let p = multiply_add::<FMA>(r, p, 1.0);
    let exponent = rounded.to_bits().wrapping_add(127_u32.wrapping_sub(ROUND.to_bits())) << 23;
    if x < -125.0 { 0.0 } else { p * f32::from_bits(exponent) }
}

/// Multiplies each column of `sums` by the scale of its query.
pub(super) struct Rescale<'a> {
    pub sums: &'a mut [f32],
    pub columns: usize,
    pub softmax: &'a Softmax,
}

impl Routine for Rescale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for row in self.sums.chunks_exact_mut(self.columns) {
            for (strip, scale) in row.as_chunks_mut::<LANES>().0.iter_mut().zip(&self.softmax.scale)
            {
                each(strip, |lane, x| x * scale[lane]);
            }
        }
    }
}

/// Divides `sums: [channels][columns]` by the sums of weights and turns them:
/// `out: [columns][WIDEST]`.
pub(super) struct Divide<'a> {
    pub sums: &'a [f32],
    pub columns: usize,
    pub softmax: &'a Softmax,
    pub out: &'a mut [f32],
}

impl Routine for Divide<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (strip, sum) in self.softmax.sum.iter().enumerate().take(self.columns / LANES) {
            let out = &mut self.out[strip * LANES * WIDEST..(strip + 1) * LANES * WIDEST];
            let mut inverse = *sum;
            each(&mut inverse, |_, x| 1.0 / x);
            for (channel, row) in self.sums.chunks_exact(self.columns).enumerate() {
                let places = out.chunks_exact_mut(WIDEST).zip(&row[strip * LANES..]);
                for ((place, x), inverse) in places.zip(&inverse) {
                    place[channel] = x * inverse;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_close() {
        for i in 0..1_000_000 {
            let x = -(i as f32) * 1.25e-4;
            let exact = f64::from(x).exp2();
            for ours in [power::<true>(x), power::<false>(x)] {
                assert!((f64::from(ours) / exact - 1.0).abs() < 1.5e-7, "{x} {ours} {exact}");
            }
        }
        for power in [power::<true>, power::<false>] {
            assert_eq!((power(0.0), power(-1.0), power(-3.0)), (1.0, 0.5, 0.125));
            assert_eq!((power(-126.0), power(-1e30), power(f32::NEG_INFINITY)), (0.0, 0.0, 0.0));
            assert!(power(f32::NAN).is_nan());
        }
    }
}
