//! Means, covariances and how well a value fits them.

/// Sums from which a [`Gaussian`] is made.
#[derive(Clone, Debug)]
pub(super) struct Moments<const N: usize> {
    count: f64,
    sum: [f64; N],
    products: [[f64; N]; N],
}

/// A normal distribution in `N` dimensions, ready to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Gaussian<const N: usize> {
    /// The mean.
    pub mean: [f32; N],
    /// The inverse of the lower Cholesky factor of the covariance.
    whiten: [[f32; N]; N],
    log_determinant: f32,
}

impl<const N: usize> Moments<N> {
    /// No values yet.
    pub(super) fn new() -> Self {
        Moments { count: 0.0, sum: [0.0; N], products: [[0.0; N]; N] }
    }

    /// Takes in one value.
    pub(super) fn add(&mut self, value: &[f32; N]) {
        self.count += 1.0;
        for i in 0..N {
            self.sum[i] += f64::from(value[i]);
            for j in 0..=i {
                self.products[i][j] += f64::from(value[i]) * f64::from(value[j]);
            }
        }
    }

    /// The mean of the values; zeros where there are none.
    pub(super) fn mean(&self) -> [f32; N] {
        self.sum.map(|sum| (sum / self.count.max(1.0)) as f32)
    }

    /// The distribution of the values; `floor` is added to every variance.
    pub(super) fn gaussian(&self, floor: f64) -> Gaussian<N> {
        let count = self.count.max(1.0);
        let mean = self.sum.map(|sum| sum / count);
        let mut covariance = [[0.0; N]; N];
        for i in 0..N {
            for j in 0..=i {
                covariance[i][j] = self.products[i][j] / count - mean[i] * mean[j];
            }
            covariance[i][i] += floor;
        }
        let factor = cholesky(&covariance);
        let log_determinant: f64 = (0..N).map(|i| 2.0 * libm::log(factor[i][i])).sum();
        Gaussian {
            mean: mean.map(|value| value as f32),
            whiten: invert_lower(&factor).map(|row| row.map(|value| value as f32)),
            log_determinant: log_determinant as f32,
        }
    }
}

impl<const N: usize> Gaussian<N> {
    /// The squared Mahalanobis distance of `value` from `centre`.
    pub(super) fn distance(&self, value: &[f32; N], centre: &[f32; N]) -> f32 {
        let offset: [f32; N] = std::array::from_fn(|i| value[i] - centre[i]);
        let part = |i: usize| (0..=i).map(|j| self.whiten[i][j] * offset[j]).sum::<f32>();
        (0..N).map(|i| part(i) * part(i)).sum()
    }

    /// The logarithm of the density, up to a constant, of Student's t distribution with
    /// this mean and scale: outliers count for something, but not for everything.
    pub(super) fn log_density(&self, value: &[f32; N]) -> f32 {
        const FREEDOM: f32 = 4.0;
        let tail = libm::logf(1.0 + self.distance(value, &self.mean) / FREEDOM);
        -0.5 * ((N as f32 + FREEDOM) * tail + self.log_determinant)
    }
}

/// The lower factor of a positive definite matrix of which the lower half is given.
fn cholesky<const N: usize>(matrix: &[[f64; N]; N]) -> [[f64; N]; N] {
    let mut factor = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let done: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
            let rest = matrix[i][j] - done;
            factor[i][j] = if i == j { rest.max(1e-12).sqrt() } else { rest / factor[j][j] };
        }
    }
    factor
}

fn invert_lower<const N: usize>(factor: &[[f64; N]; N]) -> [[f64; N]; N] {
    let mut inverse = [[0.0; N]; N];
    for j in 0..N {
        inverse[j][j] = 1.0 / factor[j][j];
        for i in j + 1..N {
            let sum: f64 = (j..i).map(|k| factor[i][k] * inverse[k][j]).sum();
            inverse[i][j] = -sum / factor[i][i];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_covariance() {
        let mut moments = Moments::new();
        // Mean (1, 2), variances 4 and 1, covariance 1.
        for (a, b) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
            let (x, y): (f32, f32) = (2.0 * a, 0.5 * a + 0.75f32.sqrt() * b);
            moments.add(&[1.0 + x, 2.0 + y]);
        }
        let gaussian = moments.gaussian(0.0);
        assert_eq!(gaussian.mean.map(|value| (value * 1e4).round()), [1e4, 2e4]);
        // The inverse covariance is [1, -1; -1, 4] / 3.
        let distance = gaussian.distance(&[2.0, 4.0], &[1.0, 2.0]);
        assert!((distance - (1.0 - 4.0 + 16.0) / 3.0).abs() < 1e-4, "{distance}");
        assert!((gaussian.log_determinant - 3.0f32.ln()).abs() < 1e-4);
        assert!(gaussian.log_density(&[1.0, 2.0]) > gaussian.log_density(&[2.0, 4.0]));
    }
}
