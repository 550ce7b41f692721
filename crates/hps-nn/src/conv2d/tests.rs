#![allow(clippy::unwrap_used)]

use candle_core::{Device, IndexOp};

use super::*;

fn wave(shape: &[usize], step: f32) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin()).collect();
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

/// A case: sizes of the input, output channels, and the convolution.
#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    inputs: usize,
    outputs: usize,
    height: usize,
    width: usize,
    config: Conv2dConfig,
    after: usize,
}

impl Case {
    fn layer(&self, kernel: Kernel, precision: Precision, weight: &Tensor) -> Conv2d {
        let bias = wave(&[self.outputs], 0.7);
        Conv2d::with_kernel(kernel, weight, Some(&bias), self.config, precision)
            .unwrap()
            .with_padding_after(self.after)
    }

    fn weight(&self) -> Tensor {
        wave(&[self.outputs, self.inputs, self.config.kernel, self.config.kernel], 0.31)
    }

    fn pictures(&self) -> Tensor {
        wave(&[self.batch, self.inputs, self.height, self.width], 0.17)
    }

    /// The definition in f64: values, and the sums of the magnitudes of their terms.
    fn exact(&self, weight: &Tensor) -> Vec<(f64, f64)> {
        let Case { batch, inputs, outputs, height, width, config, after } = *self;
        let Conv2dConfig { kernel, stride, padding } = config;
        let (x, w, bias) = (flat(&self.pictures()), flat(weight), flat(&wave(&[outputs], 0.7)));
        let size = |len: usize| (len + 2 * padding + after - kernel) / stride + 1;
        let mut all = Vec::new();
        for (item, o) in (0..batch).flat_map(|item| (0..outputs).map(move |o| (item, o))) {
            for (oy, ox) in (0..size(height)).flat_map(|y| (0..size(width)).map(move |x| (y, x))) {
                let (mut sum, mut magnitude) = (f64::from(bias[o]), 0.0);
                for tap in 0..inputs * kernel * kernel {
                    let (i, ky, kx) = (tap / kernel / kernel, tap / kernel % kernel, tap % kernel);
                    let y = (oy * stride + ky).wrapping_sub(padding);
                    let x0 = (ox * stride + kx).wrapping_sub(padding);
                    if y < height && x0 < width {
                        let pixel = x[((item * inputs + i) * height + y) * width + x0];
                        let term =
                            f64::from(pixel) * f64::from(w[o * inputs * kernel * kernel + tap]);
                        sum += term;
                        magnitude += term.abs();
                    }
                }
                all.push((sum, magnitude));
            }
        }
        all
    }
}

fn cases() -> Vec<Case> {
    let config = |kernel, stride, padding| Conv2dConfig { kernel, stride, padding };
    let case = |sizes: [usize; 5], config, after| {
        let [batch, inputs, outputs, height, width] = sizes;
        Case { batch, inputs, outputs, height, width, config, after }
    };
    vec![
        case([3, 3, 4, 12, 12], Conv2dConfig::SAME_3X3, 0),
        case([2, 1, 1, 1, 1], Conv2dConfig::SAME_3X3, 0),
        case([2, 5, 17, 7, 9], Conv2dConfig::SAME_3X3, 0),
        case([1, 65, 33, 16, 16], Conv2dConfig::SAME_3X3, 0),
        case([2, 4, 3, 5, 70], Conv2dConfig::SAME_3X3, 0),
        case([1, 2, 3, 40, 1], Conv2dConfig::SAME_3X3, 0),
        case([2, 7, 15, 6, 11], Conv2dConfig::POINTWISE, 0),
        case([2, 400, 8, 8, 8], Conv2dConfig::POINTWISE, 0),
        case([2, 6, 5, 12, 13], config(3, 2, 1), 0),
        case([2, 6, 5, 12, 13], config(3, 2, 0), 1),
        case([1, 2, 3, 9, 8], config(1, 2, 0), 0),
        case([2, 3, 6, 12, 16], config(4, 4, 0), 0),
        case([1, 3, 20, 28, 42], config(14, 14, 0), 0),
        case([1, 2, 3, 6, 5], config(5, 1, 4), 2),
        case([1, 1, 2, 20, 33], config(3, 1, 0), 0),
    ]
}

#[test]
fn values_are_those_of_the_definition() {
    for case in cases() {
        for half in [false, true] {
            let weight = case.weight();
            let dtype = if half { DType::F16 } else { DType::F32 };
            let weight = weight.to_dtype(dtype).unwrap();
            let exact = case.exact(&weight.to_dtype(DType::F32).unwrap());
            for kernel in kernels() {
                for precision in Precision::ALL {
                    let layer = case.layer(kernel, precision, &weight);
                    let ys = flat(&layer.forward(&case.pictures()).unwrap());
                    assert_eq!(ys.len(), exact.len());
                    let relative = match (kernel, precision) {
                        (_, Precision::Fast) => 8e-3,
                        // Operands in two parts keep eight bits more.
                        (Kernel::Amx, Precision::Accurate) => 8e-3 / 256.0,
                        _ => 1e-6,
                    };
                    for (y, (exact, magnitude)) in ys.iter().zip(&exact) {
                        let off = (f64::from(*y) - exact).abs();
                        let limit = relative * (magnitude + exact.abs()) + 1e-7;
                        assert!(off <= limit, "{kernel:?} {precision} {case:?}: {y} {exact}");
                    }
                }
            }
        }
    }
}

#[test]
fn items_do_not_depend_on_the_batch_or_on_threads() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for case in cases() {
        for kernel in kernels() {
            for precision in [Precision::F32, Precision::Fast] {
                let layer = case.layer(kernel, precision, &case.weight());
                let xs = case.pictures();
                let run = |xs: &Tensor, threads: usize| {
                    pool(threads).install(|| layer.forward(xs)).unwrap()
                };
                let all = run(&xs, 1);
                assert_eq!(bits(&all), bits(&run(&xs, 2)));
                assert_eq!(bits(&all), bits(&run(&xs, 5)));
                for index in 0..case.batch {
                    let alone = run(&xs.i(index..index + 1).unwrap(), 2);
                    assert_eq!(bits(&alone), bits(&all.i(index..index + 1).unwrap()));
                }
            }
        }
    }
}

#[test]
fn activation_and_residual_follow() {
    let case = cases()[2];
    let layer = case.layer(kernel(), Precision::F32, &case.weight());
    let xs = case.pictures();
    let ys = layer.forward(&xs).unwrap();
    let residual = wave(ys.dims(), 0.9);
    let fused = layer.forward_then(&xs, Some(Activation::Silu), Some(&residual)).unwrap();
    let apart = (Activation::Silu.forward(&ys).unwrap() + &residual).unwrap();
    assert_eq!(bits(&fused), bits(&apart));
    assert!(layer.forward_then(&xs, None, Some(&xs)).is_err());
}

#[test]
fn a_bad_pixel_stays_visible_and_local() {
    let mut values = vec![1f32; 3 * 40 * 40];
    values[40 * 20 + 20] = f32::NAN;
    let xs = Tensor::from_vec(values, (1, 3, 40, 40), &Device::Cpu).unwrap();
    for kernel in kernels() {
        for precision in Precision::ALL {
            let weight = wave(&[16, 3, 3, 3], 0.3);
            let config = Conv2dConfig::SAME_3X3;
            let layer = Conv2d::with_kernel(kernel, &weight, None, config, precision).unwrap();
            let ys = layer.forward(&xs).unwrap();
            for (place, y) in flat(&ys).into_iter().enumerate() {
                let (row, column) = (place / 40 % 40, place % 40);
                let near = (19..22).contains(&row) && (19..22).contains(&column);
                assert_eq!(y.is_nan(), near, "{kernel:?} {precision} {row} {column}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let weight = wave(&[2, 3, 3, 3], 0.3);
    let config = Conv2dConfig { kernel: 3, stride: 1, padding: 0 };
    let layer = Conv2d::new(&weight, None, config, Precision::F32).unwrap();
    assert!(layer.forward(&wave(&[1, 2, 8, 8], 0.1)).is_err());
    assert!(layer.forward(&wave(&[1, 3, 2, 8], 0.1)).is_err());
    assert_eq!(layer.forward(&wave(&[0, 3, 8, 8], 0.1)).unwrap().dims(), [0, 2, 6, 6]);
    let new = |config, bias: Option<&Tensor>| Conv2d::new(&weight, bias, config, Precision::F32);
    assert!(new(Conv2dConfig { stride: 0, ..config }, None).is_err());
    assert!(new(Conv2dConfig { kernel: 5, ..config }, None).is_err());
    assert!(new(config, Some(&wave(&[3], 0.1))).is_err());
}
