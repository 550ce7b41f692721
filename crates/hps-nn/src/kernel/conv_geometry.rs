//! The sizes of a convolution.

/// The sizes of a convolution of one picture `[channels, height, width]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above the first row and left of the first column. Those at the other ends
    /// follow from the size of the output.
    pub before: usize,
    pub out_height: usize,
    pub out_width: usize,
}

impl Geometry {
    /// The same convolution on rows that are as long as possible: with a kernel of one
    /// pixel, all pixels are one row.
    pub(crate) fn simplified(self) -> Self {
        let pointwise = (self.kernel, self.stride, self.before) == (1, 1, 0);
        if pointwise && (self.out_height, self.out_width) == (self.height, self.width) {
            let pixels = self.height * self.width;
            return Geometry { height: 1, width: pixels, out_height: 1, out_width: pixels, ..self };
        }
        self
    }

    /// Values of a picture.
    pub(crate) fn picture_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Pixels of the output.
    pub(crate) fn pixels(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Values that an output pixel looks at.
    pub(crate) fn inner(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }
}
