//! Entropy decoding of one scan.

use super::bits::BitReader;
use super::damage::{Damage, Outcome};
use super::frame::{Block, Component, Frame};
use super::huffman::Huffman;

/// Natural position of each coefficient in the order of the stream.
pub(super) const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The most blocks in an MCU (ITU T.81, B.2.3).
const MAX_MCU_BLOCKS: usize = 10;

/// What a scan header says.
pub(super) struct ScanHeader {
    /// Components with the numbers of their DC and AC tables.
    selected: Vec<Selected>,
    /// First and last coefficient, in the order of the stream.
    first: usize,
    last: usize,
    /// Bit positions of the previous and of this pass; 0 and 0 outside
    /// progressive pictures.
    high: u32,
    low: u32,
}

struct Selected {
    component: usize,
    dc: usize,
    ac: usize,
}

/// The tables that are in force when a scan begins.
pub(super) struct Tables<'a> {
    pub(super) dc: &'a [Option<Huffman>; 4],
    pub(super) ac: &'a [Option<Huffman>; 4],
    /// MCUs between restart markers, or 0.
    pub(super) restart_interval: usize,
}

impl ScanHeader {
    /// Reads the body of a scan header (ITU T.81, B.2.3) for `frame`.
    pub(super) fn parse(body: &[u8], frame: &Frame) -> Outcome<Self> {
        const TOO_SHORT: Damage = Damage::Corrupt("a scan header is too short");
        let (&count, rest) = body.split_first().ok_or(TOO_SHORT)?;
        let count = usize::from(count);
        let (pairs, spectral) = rest.split_at_checked(2 * count).ok_or(TOO_SHORT)?;
        let &[first, last, bits, ..] = spectral else { return Err(TOO_SHORT) };
        let mut selected: Vec<Selected> = Vec::new();
        for &[id, tables] in pairs.as_chunks().0 {
            let component = frame.components.iter().position(|component| component.id == id);
            let component = component.ok_or(Damage::Corrupt("a scan of no known component"))?;
            if selected.iter().any(|other| other.component == component) {
                return Err(Damage::Corrupt("a scan has a component twice"));
            }
            let (dc, ac) = (usize::from(tables >> 4 & 3), usize::from(tables & 3));
            selected.push(Selected { component, dc, ac });
        }
        let (high, low) = (u32::from(bits >> 4), u32::from(bits & 15));
        let scan = if frame.progressive {
            ScanHeader { selected, first: first.into(), last: last.into(), high, low }
        } else {
            ScanHeader { selected, first: 0, last: 63, high: 0, low: 0 }
        };
        scan.check(frame)?;
        Ok(scan)
    }

    fn check(&self, frame: &Frame) -> Outcome<()> {
        let blocks = |selected: &Selected| {
            let component = &frame.components[selected.component];
            component.h * component.v
        };
        let band = match (self.first, self.last) {
            (0, last) => !frame.progressive || last == 0,
            (first, last) => first <= last && last < 64 && self.selected.len() == 1,
        };
        let bits = self.low <= 13 && (self.high == 0 || self.high == self.low + 1);
        let size = self.selected.len() == 1
            || self.selected.iter().map(blocks).sum::<usize>() <= MAX_MCU_BLOCKS;
        if self.selected.is_empty() || !band || !bits || !size {
            return Err(Damage::Corrupt("a scan header is impossible"));
        }
        Ok(())
    }

    /// Decodes the scan's data, which starts at `position`, into `frame`. Returns
    /// where the data ends.
    pub(super) fn decode(
        &self,
        frame: &mut Frame,
        tables: &Tables<'_>,
        data: &[u8],
        position: usize,
    ) -> Outcome<usize> {
        let mut decoder = ScanDecoder {
            scan: self,
            tables,
            bits: BitReader::new(data, position),
            predictions: [0; 4],
            end_of_band_run: 0,
        };
        let (across, down) = self.units(frame);
        let mut unit = 0;
        for y in 0..down {
            for x in 0..across {
                if tables.restart_interval > 0 && unit > 0 && unit % tables.restart_interval == 0 {
                    decoder.restart((unit / tables.restart_interval - 1) as u8 % 8)?;
                }
                decoder.unit(frame, x, y)?;
                unit += 1;
            }
        }
        Ok(decoder.bits.position())
    }

    /// Units per row and rows of units: MCUs, or blocks without padding where the
    /// scan has one component.
    fn units(&self, frame: &Frame) -> (usize, usize) {
        match self.selected.as_slice() {
            [only] => {
                let component = &frame.components[only.component];
                (component.width.div_ceil(8), component.height.div_ceil(8))
            }
            _ => frame.mcus(),
        }
    }

    /// The components that the scan holds data of.
    pub(super) fn components(&self) -> impl Iterator<Item = usize> {
        self.selected.iter().map(|selected| selected.component)
    }
}

struct ScanDecoder<'a> {
    scan: &'a ScanHeader,
    tables: &'a Tables<'a>,
    bits: BitReader<'a>,
    /// Last DC value by place in the scan.
    predictions: [i32; 4],
    /// How many blocks are still without coefficients in this band.
    end_of_band_run: u32,
}

impl<'a> ScanDecoder<'a> {
    fn restart(&mut self, number: u8) -> Outcome<()> {
        self.predictions = [0; 4];
        self.end_of_band_run = 0;
        self.bits.restart(number)
    }

    /// Decodes the MCU or single block at (`x`, `y`).
    fn unit(&mut self, frame: &mut Frame, x: usize, y: usize) -> Outcome<()> {
        let alone = self.scan.selected.len() == 1;
        let progressive = frame.progressive;
        for place in 0..self.scan.selected.len() {
            let component = &mut frame.components[self.scan.selected[place].component];
            let (h, v) = if alone { (1, 1) } else { (component.h, component.v) };
            for row in 0..v {
                for column in 0..h {
                    let (x, y) = (x * h + column, y * v + row);
                    if progressive {
                        let block = &mut component.coefficients[y * component.blocks_x + x];
                        self.progressive_block(place, block)?;
                    } else {
                        self.sequential_block(place, component, x, y)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn sequential_block(
        &mut self,
        place: usize,
        component: &mut Component,
        x: usize,
        y: usize,
    ) -> Outcome<()> {
        let mut block = [0; 64];
        block[0] = self.next_dc(place)? as i16;
        let tables = self.tables;
        let table = tables.ac[self.scan.selected[place].ac].as_ref().ok_or(NO_TABLE)?;
        let mut index = 1;
        while index < 64 {
            let symbol = table.decode(&mut self.bits)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    break;
                }
                index += 16;
                continue;
            }
            index += run;
            let value = self.bits.take_signed(size)?;
            block[natural(index)?] = value as i16;
            index += 1;
        }
        let quant = component.quant.ok_or(Damage::Corrupt("a quantization table is missing"))?;
        component.put(x, y, &block, &quant);
        Ok(())
    }

    fn progressive_block(&mut self, place: usize, block: &mut Block) -> Outcome<()> {
        match (self.scan.first, self.scan.high) {
            (0, 0) => {
                block[0] = (self.next_dc(place)? << self.scan.low) as i16;
                Ok(())
            }
            (0, _) => {
                if self.bits.bit()? {
                    block[0] |= 1 << self.scan.low;
                }
                Ok(())
            }
            (_, 0) => self.first_ac(block),
            _ => self.refine_ac(block),
        }
    }

    /// The next DC value: the last one plus a coded difference.
    fn next_dc(&mut self, place: usize) -> Outcome<i32> {
        let tables = self.tables;
        let table = tables.dc[self.scan.selected[place].dc].as_ref().ok_or(NO_TABLE)?;
        let size = u32::from(table.decode(&mut self.bits)?);
        if size > 15 {
            return Err(Damage::Corrupt("a DC difference is too large"));
        }
        let difference = self.bits.take_signed(size)?;
        let dc = self.predictions[place].wrapping_add(difference);
        self.predictions[place] = dc;
        Ok(dc)
    }

    /// First pass over a band: values down to bit `low` (ITU T.81, G.1.2.2).
    fn first_ac(&mut self, block: &mut Block) -> Outcome<()> {
        if self.end_of_band_run > 0 {
            self.end_of_band_run -= 1;
            return Ok(());
        }
        let table = self.band_table()?;
        let mut index = self.scan.first;
        while index <= self.scan.last {
            let symbol = table.decode(&mut self.bits)?;
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    self.end_of_band_run = self.end_of_band(run)? - 1;
                    break;
                }
                index += 16;
                continue;
            }
            index += run as usize;
            let value = self.bits.take_signed(size)?;
            block[natural(index)?] = (value << self.scan.low) as i16;
            index += 1;
        }
        Ok(())
    }

    /// Later pass over a band: one more bit of known values, and values that have
    /// their first bit here (ITU T.81, G.1.2.3).
    fn refine_ac(&mut self, block: &mut Block) -> Outcome<()> {
        let mut index = self.scan.first;
        if self.end_of_band_run == 0 {
            let table = self.band_table()?;
            while index <= self.scan.last {
                let symbol = table.decode(&mut self.bits)?;
                let (run, size) = (u32::from(symbol >> 4), symbol & 15);
                let mut value = 0;
                if size > 0 {
                    value = if self.bits.bit()? { 1 << self.scan.low } else { -1 << self.scan.low };
                } else if run < 15 {
                    self.end_of_band_run = self.end_of_band(run)?;
                    break;
                }
                index = self.refine_known(block, index, run)?;
                if value != 0 && index <= self.scan.last {
                    block[natural(index)?] = value;
                }
                index += 1;
            }
        }
        if self.end_of_band_run > 0 {
            self.refine_known(block, index, u32::MAX)?;
            self.end_of_band_run -= 1;
        }
        Ok(())
    }

    /// Adds a bit to every known value from `index` on, passing `zeros` unknown
    /// ones. Returns the position of the unknown value after those.
    fn refine_known(&mut self, block: &mut Block, index: usize, mut zeros: u32) -> Outcome<usize> {
        for index in index..=self.scan.last {
            let value = &mut block[natural(index)?];
            if *value == 0 {
                if zeros == 0 {
                    return Ok(index);
                }
                zeros -= 1;
            } else if self.bits.bit()? {
                let bit = 1 << self.scan.low;
                if *value & bit == 0 {
                    *value = value.wrapping_add(if *value > 0 { bit } else { -bit });
                }
            }
        }
        Ok(self.scan.last + 1)
    }

    /// The length of a run of blocks that end here, this one included.
    fn end_of_band(&mut self, exponent: u32) -> Outcome<u32> {
        Ok((1 << exponent) + u32::from(self.bits.take(exponent)?))
    }

    /// The AC table of the scan's only component.
    fn band_table(&self) -> Outcome<&'a Huffman> {
        let selected = self.scan.selected.first().ok_or(NO_TABLE)?;
        self.tables.ac[selected.ac].as_ref().ok_or(NO_TABLE)
    }
}

fn natural(index: usize) -> Outcome<usize> {
    ZIGZAG.get(index).copied().ok_or(TOO_MANY)
}

const NO_TABLE: Damage = Damage::Corrupt("a Huffman table is missing");
const TOO_MANY: Damage = Damage::Corrupt("a block has too many coefficients");
