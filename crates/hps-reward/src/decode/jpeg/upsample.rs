//! Chroma interpolation of libjpeg-turbo ("fancy upsampling").

use super::frame::{Component, Frame};

/// How a component is brought to full resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// It already is.
    Full,
    /// Triangle filter, rows only.
    H2V1,
    /// Triangle filter, columns only.
    H1V2,
    /// Triangle filter, both.
    H2V2,
    /// Samples are repeated this often.
    Repeat(usize, usize),
}

/// Makes full-resolution rows of one component.
pub(super) struct Upsampler<'a> {
    component: &'a Component,
    method: Method,
    row: Vec<u8>,
    sums: Vec<u16>,
}

impl<'a> Upsampler<'a> {
    /// For `component` of `frame`, whose sampling factors divide the largest ones.
    pub(super) fn new(frame: &Frame, component: &'a Component) -> Self {
        let ratios = (frame.max_h / component.h, frame.max_v / component.v);
        // libjpeg-turbo repeats samples of components at most two samples wide.
        let wide = component.width > 2;
        let method = match ratios {
            (1, 1) => Method::Full,
            (2, 1) if wide => Method::H2V1,
            (1, 2) => Method::H1V2,
            (2, 2) if wide => Method::H2V2,
            (h, v) => Method::Repeat(h, v),
        };
        Upsampler { component, method, row: Vec::new(), sums: Vec::new() }
    }

    /// Row `y` of the picture; it may be longer than the picture is wide.
    pub(super) fn row(&mut self, y: usize) -> &[u8] {
        let component = self.component;
        self.row.clear();
        match self.method {
            Method::Full => return component.row(y),
            Method::H2V1 => {
                let sums = component.row(y).iter().map(|&sample| u16::from(sample));
                self.sums.clear();
                self.sums.extend(sums);
                widen(&self.sums, 2, [1, 2], &mut self.row);
            }
            Method::H1V2 => {
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                let sums = column_sums(component, y);
                self.row.extend(sums.map(|sum| ((sum + bias) >> 2) as u8));
            }
            Method::H2V2 => {
                self.sums.clear();
                self.sums.extend(column_sums(component, y));
                widen(&self.sums, 4, [8, 7], &mut self.row);
            }
            Method::Repeat(h, v) => {
                let samples = component.row(y / v).iter();
                self.row.extend(samples.flat_map(|&sample| std::iter::repeat_n(sample, h)));
            }
        }
        &self.row
    }
}

/// Three parts of the nearer row and one part of the farther one.
fn column_sums(component: &Component, y: usize) -> impl Iterator<Item = u16> {
    let near = y / 2;
    let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { near + 1 };
    let pairs = component.row(near).iter().zip(component.row(far));
    pairs.map(|(&near, &far)| 3 * u16::from(near) + u16::from(far))
}

/// Two samples for each sum: three parts of it and one of its left or right
/// neighbour, shifted down by `shift` after adding the bias of that side. At the
/// ends the missing neighbour is the sum itself.
fn widen(sums: &[u16], shift: u32, biases: [u16; 2], row: &mut Vec<u8>) {
    for (index, &sum) in sums.iter().enumerate() {
        let left = index.checked_sub(1).and_then(|left| sums.get(left)).unwrap_or(&sum);
        let right = sums.get(index + 1).unwrap_or(&sum);
        row.push(((3 * sum + left + biases[0]) >> shift) as u8);
        row.push(((3 * sum + right + biases[1]) >> shift) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_kept_and_the_rest_is_interpolated() {
        let mut row = Vec::new();
        widen(&[10, 20, 31], 2, [1, 2], &mut row);
        assert_eq!(row, [10, 13, 17, 23, 28, 31]);
    }
}
