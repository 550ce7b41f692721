//! Attention by every tile.

use super::super::attention::{Attention, attend_by};
use super::super::attention_panels::Sequences;
use super::*;

/// One item with two heads: queries, keys, channels of a head.
struct Case {
    queries: usize,
    keys: usize,
    size: usize,
    causal: bool,
}

impl Case {
    /// The definition in `f64`, of operands as they are.
    fn exact(&self, queries: &[f32], keys: &[f32], values: &[f32]) -> Vec<f64> {
        let (size, width) = (self.size, 2 * self.size);
        let mut out = Vec::new();
        for (query, head) in (0..self.queries).flat_map(|q| [(q, 0), (q, 1)]) {
            let channels = |rows: &[f32], row: usize| -> Vec<f64> {
                let start = row * width + head * size;
                rows[start..start + size].iter().map(|&x| x.into()).collect()
            };
            let seen = if self.causal { self.keys.min(query + 1) } else { self.keys };
            let mine = channels(queries, query);
            let weight = |key: usize| {
                let terms = mine.iter().zip(channels(keys, key)).map(|(a, b)| a * b);
                (terms.sum::<f64>() / (size as f64).sqrt()).exp()
            };
            let weights: Vec<f64> = (0..seen).map(weight).collect();
            let total: f64 = weights.iter().sum();
            for channel in 0..size {
                let terms = weights.iter().enumerate();
                let terms = terms.map(|(key, w)| w * channels(values, key)[channel]);
                out.push(terms.sum::<f64>() / total);
            }
        }
        out
    }
}

impl Check for Case {
    fn check<T: Tile>(&self, tile: T, numbers: Numbers) {
        let (mut random, width) = (Random(11), 2 * self.size);
        let mut rows = |len: usize| random.floats(len * width);
        let (queries, keys, values) = (rows(self.queries), rows(self.keys), rows(self.keys));
        let sequences = |values, len| Sequences { values, len, item_stride: 0, row_stride: width };
        let attention = Attention {
            queries: sequences(&queries, self.queries),
            keys: sequences(&keys, self.keys),
            values: sequences(&values, self.keys),
            batch: 1,
            heads: 2,
            size: self.size,
            causal: self.causal,
        };
        let mut out = vec![f32::NAN; self.queries * width];
        attend_by(tile, &attention, &mut out).unwrap();
        let limit = match numbers {
            Numbers::F32 => 1e-6,
            // Weights and values are rounded to 16 bits, and so are their logarithms'
            // factors; `low * low` is left out.
            Numbers::TwoBf16 => 4.0 * 2f64.powi(-17),
            Numbers::Bf16 => 1e-2,
        };
        for (ours, exact) in out.iter().zip(self.exact(&queries, &keys, &values)) {
            let off = (f64::from(*ours) - exact).abs();
            assert!(off <= limit, "{numbers:?} {ours} {exact}");
        }
    }
}

#[test]
fn attention_is_its_definition() {
    for (queries, keys, size) in [(1, 1, 1), (45, 7, 8), (33, 150, 40), (70, 70, 65)] {
        for causal in [false, true] {
            each_tile(&Case { queries, keys, size, causal });
        }
    }
}
