//! The tensor that preprocessing makes.

/// Mean of R, G, B in `[0, 1]` that every CLIP model is normalised with
/// (`OPENAI_DATASET_MEAN` in open_clip's `constants.py`).
pub const OPENAI_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];

/// Standard deviation that goes with [`OPENAI_MEAN`].
pub const OPENAI_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// A normalised square picture, ready for a vision tower.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// Side in pixels.
    pub size: usize,
    /// `[3, size, size]` in row-major order: planes R, G, B of
    /// `(value - OPENAI_MEAN) / OPENAI_STD`, where `value` is 0 for black and 1
    /// for white. Bicubic overshoot can leave that range slightly.
    pub data: Vec<f32>,
}

impl Pixels {
    /// A picture that is black everywhere.
    pub(super) fn black(size: usize) -> Self {
        let mut data = Vec::with_capacity(3 * size * size);
        for channel in 0..3 {
            data.resize((channel + 1) * size * size, normalise(0.0, channel));
        }
        Pixels { size, data }
    }

    /// Sets one pixel to unnormalised `rgb`.
    pub(super) fn set(&mut self, x: usize, y: usize, rgb: [f32; 3]) {
        let plane = self.size * self.size;
        for (channel, value) in rgb.into_iter().enumerate() {
            self.data[channel * plane + y * self.size + x] = normalise(value, channel);
        }
    }
}

fn normalise(value: f32, channel: usize) -> f32 {
    (value - OPENAI_MEAN[channel]) / OPENAI_STD[channel]
}
