#![allow(clippy::unwrap_used)]

use candle_core::{D, Device, IndexOp};
use proptest::prelude::*;

use super::*;

fn wave(shape: &[usize], step: f32) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin() * 2.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    flat(tensor).into_iter().map(f32::to_bits).collect()
}

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available())
}

/// The sizes of a case.
#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    heads: usize,
    queries: usize,
    keys: usize,
    size: usize,
    mask: Mask,
}

impl Case {
    fn operands(&self) -> (Tensor, Tensor, Tensor) {
        let width = self.heads * self.size;
        let keys = [self.batch, self.keys, width];
        (wave(&[self.batch, self.queries, width], 0.7), wave(&keys, 0.37), wave(&keys, 0.93))
    }

    fn run(&self, kernel: Kernel, precision: Precision) -> Tensor {
        let (q, k, v) = self.operands();
        with_kernel(kernel, (&q, &k, &v), self.heads, self.mask, precision).unwrap()
    }

    /// The definition in f64.
    fn exact(&self) -> Vec<f64> {
        let (q, k, v) = self.operands();
        let (q, k, v) = (flat(&q), flat(&k), flat(&v));
        let (size, width) = (self.size, self.heads * self.size);
        let mut out = vec![0f64; q.len()];
        for (item, head) in
            (0..self.batch).flat_map(|item| (0..self.heads).map(move |head| (item, head)))
        {
            let at = |rows: usize, row: usize| (item * rows + row) * width + head * size;
            for query in 0..self.queries {
                let seen = if self.mask == Mask::Causal { query + 1 } else { self.keys };
                let weights: Vec<f64> = (0..self.keys.min(seen))
                    .map(|key| {
                        let (q, k) = (&q[at(self.queries, query)..], &k[at(self.keys, key)..]);
                        let terms = q.iter().zip(k).take(size);
                        let dot: f64 = terms.map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
                        (dot / (size as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = weights.iter().sum();
                for (key, weight) in weights.iter().enumerate() {
                    let place = at(self.queries, query);
                    let values = &v[at(self.keys, key)..];
                    for (out, v) in out[place..place + size].iter_mut().zip(values) {
                        *out += weight / total * f64::from(*v);
                    }
                }
            }
        }
        out
    }

    fn check(&self) -> std::result::Result<(), TestCaseError> {
        let exact = self.exact();
        for kernel in kernels() {
            for precision in Precision::ALL {
                let ours = flat(&self.run(kernel, precision));
                let limit = match (kernel, precision) {
                    (_, Precision::Fast) => 3e-2,
                    // Operands in two parts keep eight bits more.
                    (Kernel::Amx, Precision::Accurate) => 3e-2 / 256.0,
                    _ => 4e-6,
                };
                for (ours, exact) in ours.iter().zip(&exact) {
                    let off = (f64::from(*ours) - exact).abs();
                    prop_assert!(off < limit, "{kernel:?} {precision} {self:?} {ours} {exact}");
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_shape_equals_the_definition(
        batch in 1_usize..3, heads in 1_usize..4, queries in 1_usize..80,
        keys in 1_usize..300, size in 1_usize..90, causal: bool,
    ) {
        let mask = if causal { Mask::Causal } else { Mask::None };
        Case { batch, heads, queries, keys, size, mask }.check()?;
    }
}

#[test]
fn sizes_of_models_equal_the_definition() {
    let sizes = [(257, 257, 80), (77, 77, 64), (70, 77, 40), (33, 300, 160), (40, 150, 512)];
    for (queries, keys, size) in sizes {
        for mask in [Mask::None, Mask::Causal] {
            Case { batch: 1, heads: 2, queries, keys, size, mask }.check().unwrap();
        }
    }
}

#[test]
fn rows_do_not_depend_on_the_batch_on_threads_or_on_other_queries() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for mask in [Mask::None, Mask::Causal] {
        let case = Case { batch: 3, heads: 2, queries: 150, keys: 170, size: 40, mask };
        let (q, k, v) = case.operands();
        for kernel in kernels() {
            for precision in [Precision::F32, Precision::Fast] {
                let run = |q: &Tensor, k: &Tensor, v: &Tensor, threads: usize| {
                    let run = || with_kernel(kernel, (q, k, v), 2, mask, precision);
                    pool(threads).install(run).unwrap()
                };
                let all = run(&q, &k, &v, 1);
                assert_eq!(bits(&all), bits(&run(&q, &k, &v, 2)));
                assert_eq!(bits(&all), bits(&run(&q, &k, &v, 5)));
                for index in 0..3 {
                    let item = |xs: &Tensor| xs.i(index..index + 1).unwrap();
                    let alone = run(&item(&q), &item(&k), &item(&v), 2);
                    assert_eq!(bits(&alone), bits(&item(&all)));
                }
                let fewer = run(&q.narrow(1, 0, 41).unwrap(), &k, &v, 2);
                assert_eq!(bits(&fewer), bits(&all.narrow(1, 0, 41).unwrap()));
            }
        }
    }
}

#[test]
fn causal_rows_do_not_depend_on_what_comes_later() {
    let case = Case { batch: 2, heads: 2, queries: 77, keys: 77, size: 64, mask: Mask::Causal };
    let (q, k, v) = case.operands();
    for kernel in kernels() {
        for precision in [Precision::F32, Precision::Fast] {
            let run = |len: usize| {
                let first = |xs: &Tensor| xs.narrow(1, 0, len).unwrap();
                let operands = (&first(&q), &first(&k), &first(&v));
                with_kernel(kernel, operands, 2, Mask::Causal, precision).unwrap()
            };
            let all = run(77);
            for len in [1, 13, 40, 76] {
                assert_eq!(bits(&run(len)), bits(&all.narrow(1, 0, len).unwrap()), "{len}");
            }
        }
    }
}

#[test]
fn views_are_read_in_place() {
    let (n, width) = (50, 24);
    let fused = wave(&[2, n, 3 * width], 0.3);
    let part = |i: usize| fused.narrow(D::Minus1, i * width, width).unwrap();
    let copy = |i: usize| part(i).contiguous().unwrap();
    let run = |q: &Tensor, k: &Tensor, v: &Tensor| {
        attention(q, k, v, 3, Mask::None, Precision::F32).unwrap()
    };
    let views = run(&part(0), &part(1), &part(2));
    assert_eq!(bits(&views), bits(&run(&copy(0), &copy(1), &copy(2))));
    // Channels that are not contiguous are copied.
    let turned = copy(0).transpose(1, 2).unwrap().contiguous().unwrap();
    let turned = turned.transpose(1, 2).unwrap();
    assert_eq!(bits(&views), bits(&run(&turned, &part(1), &part(2))));
    // As a broadcast context is.
    let context = copy(1).i(0..1).unwrap();
    let shared = context.expand((2, n, width)).unwrap();
    let both = run(&part(0), &shared, &shared);
    assert_eq!(bits(&both), bits(&run(&part(0), &shared.contiguous().unwrap(), &shared)));
}

#[test]
fn operations_of_other_devices_agree() {
    for mask in [Mask::None, Mask::Causal] {
        let case = Case { batch: 2, heads: 3, queries: 9, keys: 9, size: 5, mask };
        let (q, k, v) = case.operands();
        let plain = flat(&device::attend((&q, &k, &v), 3, mask).unwrap());
        let exact = case.exact();
        assert!(plain.iter().zip(&exact).all(|(a, b)| (f64::from(*a) - b).abs() < 4e-6));
    }
}

#[test]
fn large_logits_neither_overflow_nor_vanish() {
    // The weights are 0 and 1 but for the block they are in.
    let mut keys = vec![-30f32; 300];
    keys[290] = 30.0;
    let k = Tensor::from_vec(keys, (1, 300, 1), &Device::Cpu).unwrap();
    let v = wave(&[1, 300, 1], 0.3);
    let q = Tensor::new(&[[[100f32], [-100.0]]], &Device::Cpu).unwrap();
    for kernel in kernels() {
        let ys = with_kernel(kernel, (&q, &k, &v), 1, Mask::None, Precision::F32).unwrap();
        let (ys, v) = (flat(&ys), flat(&v));
        assert_eq!(ys[0], v[290]);
        let mean = (v.iter().sum::<f32>() - v[290]) / 299.0;
        assert!((ys[1] - mean).abs() < 1e-6);
    }
}

#[test]
fn bad_values_stay_visible_and_local() {
    let case = Case { batch: 1, heads: 2, queries: 40, keys: 200, size: 8, mask: Mask::None };
    let (q, k, v) = case.operands();
    let with = |xs: &Tensor, row: usize, value: f32| {
        let (shape, mut values) = (xs.dims().to_vec(), flat(xs));
        values[row * 16 + 3] = value;
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    for kernel in kernels() {
        for precision in Precision::ALL {
            let run = |q: &Tensor, k: &Tensor, v: &Tensor| {
                flat(&with_kernel(kernel, (q, k, v), 2, Mask::None, precision).unwrap())
            };
            let bad_query = run(&with(&q, 33, f32::NAN), &k, &v);
            let bad_key = run(&q, &with(&k, 150, f32::NAN), &v);
            let bad_value = run(&q, &k, &with(&v, 150, f32::NAN));
            for index in 0..40 * 16 {
                let (row, channel) = (index / 16, index % 16);
                assert_eq!(bad_query[index].is_nan(), row == 33 && channel < 8);
                assert_eq!(bad_key[index].is_nan(), channel < 8);
                assert_eq!(bad_value[index].is_nan(), channel == 3);
            }
        }
    }
}

#[test]
fn weights_of_nothing_but_minus_infinity_are_no_numbers() {
    let k = wave(&[1, 20, 4], 0.3);
    let q = Tensor::full(f32::NEG_INFINITY, (1, 2, 4), &Device::Cpu).unwrap();
    let k = k.abs().unwrap().affine(1.0, 0.1).unwrap();
    for kernel in kernels() {
        let ys = with_kernel(kernel, (&q, &k, &k), 1, Mask::None, Precision::F32).unwrap();
        assert!(flat(&ys).iter().all(|y| y.is_nan()), "{kernel:?}");
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let xs = |len: usize, width: usize| wave(&[2, len, width], 0.1);
    let run = |q: &Tensor, k: &Tensor, v: &Tensor, heads| {
        attention(q, k, v, heads, Mask::None, Precision::Accurate)
    };
    assert!(run(&xs(3, 8), &xs(5, 8), &xs(5, 8), 2).is_ok());
    assert!(run(&xs(3, 8), &xs(5, 8), &xs(4, 8), 2).is_err());
    assert!(run(&xs(3, 8), &xs(5, 6), &xs(5, 6), 2).is_err());
    assert!(run(&xs(3, 8), &xs(5, 8), &xs(5, 8), 3).is_err());
    assert!(run(&xs(3, 8), &xs(5, 8), &xs(5, 8), 0).is_err());
    assert!(run(&xs(3, 8), &xs(0, 8), &xs(0, 8), 2).is_err());
    assert_eq!(run(&xs(0, 8), &xs(5, 8), &xs(5, 8), 2).unwrap().dims(), [2, 0, 8]);
}
