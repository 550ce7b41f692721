//! The picture's layout in components and blocks.

use super::damage::{Damage, Outcome};
use super::idct;

/// Samples of one 8×8 block, or their coefficients, in natural order.
pub(super) type Block = [i16; 64];

/// Quantization steps in natural order.
pub(super) type QuantTable = [u16; 64];

/// What the frame header says, and the samples as they are decoded.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// Largest horizontal and vertical sampling factor.
    pub(super) max_h: usize,
    pub(super) max_v: usize,
}

/// One colour channel at its own resolution.
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Number of the quantization table that the header asks for.
    pub(super) quant_index: usize,
    /// That table as it was when the component's first scan began.
    pub(super) quant: Option<QuantTable>,
    /// Size in samples, without padding.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Blocks per row and rows of blocks, padded to whole MCUs.
    pub(super) blocks_x: usize,
    pub(super) blocks_y: usize,
    /// Samples, `8 * blocks_y` rows of `8 * blocks_x`.
    pub(super) samples: Vec<u8>,
    /// Coefficients of all blocks; only for progressive pictures.
    pub(super) coefficients: Vec<Block>,
}

impl Frame {
    /// Reads the body of a frame header (ITU T.81, B.2.2). Allocates nothing that
    /// depends on the picture's size.
    pub(super) fn parse(body: &[u8], progressive: bool) -> Outcome<Self> {
        let [precision, h1, h0, w1, w0, count, specifications @ ..] = body else {
            return Err(Damage::Corrupt("the frame header is too short"));
        };
        if *precision != 8 {
            return Err(Damage::Unsupported("samples of other than 8 bits"));
        }
        let height = usize::from(u16::from_be_bytes([*h1, *h0]));
        let width = usize::from(u16::from_be_bytes([*w1, *w0]));
        let specifications = specifications.as_chunks::<3>().0;
        if specifications.len() < usize::from(*count) {
            return Err(Damage::Corrupt("the frame header is too short"));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(Damage::Unsupported("a number of components other than 1, 3 or 4"));
        }
        let components = specifications.iter().take(usize::from(*count)).map(Component::parse);
        let mut components = components.collect::<Outcome<Vec<_>>>()?;
        let max_h = components.iter().map(|component| component.h).max().unwrap_or(1);
        let max_v = components.iter().map(|component| component.v).max().unwrap_or(1);
        for component in &mut components {
            component.width = (width * component.h).div_ceil(max_h);
            component.height = (height * component.v).div_ceil(max_v);
            component.blocks_x = width.div_ceil(8 * max_h) * component.h;
            component.blocks_y = height.div_ceil(8 * max_v) * component.v;
            if max_h % component.h != 0 || max_v % component.v != 0 {
                return Err(Damage::Unsupported("fractional chroma subsampling"));
            }
        }
        Ok(Frame { width, height, progressive, components, max_h, max_v })
    }

    /// Makes room for samples, and for coefficients where they are needed.
    pub(super) fn allocate(&mut self) {
        for component in &mut self.components {
            let blocks = component.blocks_x * component.blocks_y;
            component.samples = vec![0; 64 * blocks];
            if self.progressive {
                component.coefficients = vec![[0; 64]; blocks];
            }
        }
    }

    /// MCUs per row and rows of MCUs of a scan of all components.
    pub(super) fn mcus(&self) -> (usize, usize) {
        (self.width.div_ceil(8 * self.max_h), self.height.div_ceil(8 * self.max_v))
    }

    /// Makes samples of the coefficients of a progressive picture.
    pub(super) fn finish(&mut self) -> Outcome<()> {
        for component in &mut self.components {
            let quant = component.quant.ok_or(Damage::Corrupt("a component has no scan"))?;
            if self.progressive {
                let coefficients = std::mem::take(&mut component.coefficients);
                for (index, block) in coefficients.iter().enumerate() {
                    let (x, y) = (index % component.blocks_x, index / component.blocks_x);
                    component.put(x, y, block, &quant);
                }
            }
        }
        Ok(())
    }
}

impl Component {
    fn parse(specification: &[u8; 3]) -> Outcome<Self> {
        let [id, factors, quant_index] = *specification;
        let (h, v) = (usize::from(factors >> 4), usize::from(factors & 15));
        if !(1..=4).contains(&h) || !(1..=4).contains(&v) || quant_index > 3 {
            return Err(Damage::Corrupt("the frame header has impossible sampling factors"));
        }
        Ok(Component {
            id,
            h,
            v,
            quant_index: usize::from(quant_index),
            quant: None,
            width: 0,
            height: 0,
            blocks_x: 0,
            blocks_y: 0,
            samples: Vec::new(),
            coefficients: Vec::new(),
        })
    }

    /// Transforms a block to samples and puts them at block position (`x`, `y`).
    pub(super) fn put(&mut self, x: usize, y: usize, block: &Block, quant: &QuantTable) {
        let stride = 8 * self.blocks_x;
        let start = 8 * y * stride + 8 * x;
        let samples = idct::inverse(block, quant);
        let rows = self.samples[start..].chunks_mut(stride);
        for (row, samples) in rows.zip(samples.chunks_exact(8)) {
            row[..8].copy_from_slice(samples);
        }
    }

    /// One row of samples without padding; rows beyond the last repeat it.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        let y = y.min(self.height - 1);
        &self.samples[8 * self.blocks_x * y..][..self.width]
    }
}
