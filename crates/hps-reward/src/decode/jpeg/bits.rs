//! Bits of entropy-coded data.

use super::damage::{Damage, Outcome};

/// Reads bits, high bit first, up to the next marker.
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    position: usize,
    /// The next bits, left-aligned; those beyond `available` are 0.
    window: u64,
    available: u32,
}

impl<'a> BitReader<'a> {
    /// Starts at `position` of `data`.
    pub(super) fn new(data: &'a [u8], position: usize) -> Self {
        BitReader { data, position, window: 0, available: 0 }
    }

    /// Where the byte reader stands: at a marker once the bits are used up.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The next 16 bits without taking them; 0 beyond the end.
    pub(super) fn peek16(&mut self) -> u16 {
        if self.available < 16 {
            self.fill();
        }
        (self.window >> 48) as u16
    }

    /// Takes `count` bits, at most 16, as an unsigned number.
    pub(super) fn take(&mut self, count: u32) -> Outcome<u16> {
        let bits = self.peek16();
        self.skip(count)?;
        Ok(if count == 0 { 0 } else { bits >> (16 - count) })
    }

    /// Takes one bit.
    pub(super) fn bit(&mut self) -> Outcome<bool> {
        Ok(self.take(1)? != 0)
    }

    /// Drops `count` bits that were looked at.
    pub(super) fn skip(&mut self, count: u32) -> Outcome<()> {
        if count > self.available {
            return Err(self.shortage());
        }
        self.window <<= count;
        self.available -= count;
        Ok(())
    }

    /// Takes a `size`-bit number of the JPEG kind: the high bit tells the sign.
    pub(super) fn take_signed(&mut self, size: u32) -> Outcome<i32> {
        if size == 0 {
            return Ok(0);
        }
        let bits = i32::from(self.take(size)?);
        Ok(if bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits })
    }

    /// Drops the rest of the current byte and takes restart marker `number`.
    pub(super) fn restart(&mut self, number: u8) -> Outcome<()> {
        self.window = 0;
        self.available = 0;
        while self.data.get(self.position..self.position + 2) == Some(&[0xff, 0xff]) {
            self.position += 1;
        }
        match self.data.get(self.position..self.position + 2) {
            None => Err(Damage::Truncated),
            Some([0xff, marker]) if *marker == 0xd0 + number => {
                self.position += 2;
                Ok(())
            }
            Some(_) => Err(Damage::Corrupt("a restart marker is missing")),
        }
    }

    /// Loads whole bytes until the window is full or a marker is reached.
    fn fill(&mut self) {
        while self.available <= 56 {
            let Some(&byte) = self.data.get(self.position) else { return };
            if byte == 0xff {
                // A stuffed zero follows a data byte of 255; anything else is a marker.
                if self.data.get(self.position + 1) != Some(&0) {
                    return;
                }
                self.position += 1;
            }
            self.position += 1;
            self.window |= u64::from(byte) << (56 - self.available);
            self.available += 8;
        }
    }

    fn shortage(&self) -> Damage {
        if self.position + 1 >= self.data.len() {
            Damage::Truncated
        } else {
            Damage::Corrupt("image file is truncated: a marker stands where picture data should be")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffing_and_markers_are_seen() {
        let mut bits = BitReader::new(&[0xff, 0x00, 0xa5, 0xff, 0xd9], 0);
        assert_eq!(bits.take(12), Ok(0xffa));
        assert_eq!(bits.take_signed(3), Ok(-5));
        assert_eq!(bits.take(1), Ok(1));
        assert!(matches!(bits.take(1), Err(Damage::Corrupt(_))));
        assert_eq!(bits.position(), 3);
        assert_eq!(BitReader::new(&[0xa5], 0).take(9), Err(Damage::Truncated));
    }
}
