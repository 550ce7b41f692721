//! Huffman tables.

use super::bits::BitReader;
use super::damage::{Damage, Outcome};

const FAST_BITS: u32 = 9;

/// A decoding table for one set of codes of 1 to 16 bits.
#[derive(Clone)]
pub(super) struct Huffman {
    /// Length and symbol by the first [`FAST_BITS`] bits; length 0: a longer code.
    fast: Vec<(u8, u8)>,
    /// For each length from 1: one more than the last code, left-aligned in 16 bits.
    limits: [u32; 16],
    /// For each length from 1: what to add to a code to get its symbol's index.
    offsets: [i32; 16],
    symbols: Vec<u8>,
}

impl Huffman {
    /// A table from the number of codes of each length and the symbols in order
    /// of their codes (ITU T.81, annex C).
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Outcome<Self> {
        let mut table = Huffman {
            fast: vec![(0, 0); 1 << FAST_BITS],
            limits: [0; 16],
            offsets: [0; 16],
            symbols: symbols.to_vec(),
        };
        let mut code = 0_u32;
        let mut index = 0;
        for (length, &count) in (1_u32..).zip(counts) {
            let slot = length as usize - 1;
            table.offsets[slot] = index as i32 - code as i32;
            for _ in 0..count {
                let symbol = *symbols.get(index).ok_or(Damage::Truncated)?;
                table.add_fast(code, length, symbol);
                code += 1;
                index += 1;
            }
            if code > 1 << length {
                return Err(Damage::Corrupt("a Huffman table has too many codes"));
            }
            table.limits[slot] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    fn add_fast(&mut self, code: u32, length: u32, symbol: u8) {
        let Some(spare) = FAST_BITS.checked_sub(length) else { return };
        let first = (code << spare) as usize;
        let entries = self.fast.iter_mut().skip(first).take(1 << spare);
        entries.for_each(|entry| *entry = (length as u8, symbol));
    }

    /// Takes one code and gives its symbol.
    #[inline]
    pub(super) fn decode(&self, bits: &mut BitReader<'_>) -> Outcome<u8> {
        let next = bits.peek16();
        let (length, symbol) = self.fast[usize::from(next >> (16 - FAST_BITS))];
        if length > 0 {
            bits.skip(u32::from(length))?;
            return Ok(symbol);
        }
        for length in FAST_BITS + 1..=16 {
            let slot = length as usize - 1;
            if u32::from(next) < self.limits[slot] {
                bits.skip(length)?;
                let index = i32::from(next >> (16 - length)) + self.offsets[slot];
                let symbol = usize::try_from(index).ok().and_then(|i| self.symbols.get(i));
                return symbol.copied().ok_or(BAD_CODE);
            }
        }
        // Bits beyond the end read as 0; a code that is not there for want of
        // data is told as such.
        bits.skip(16)?;
        Err(BAD_CODE)
    }
}

const BAD_CODE: Damage = Damage::Corrupt("there is an undefined Huffman code");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn short_and_long_codes_decode() {
        // Codes: 0, 10, and one of 12 bits: 1100 0000 0000.
        let mut counts = [0; 16];
        counts[0] = 1;
        counts[1] = 1;
        counts[11] = 1;
        let table = Huffman::new(&counts, &[7, 8, 9]).unwrap();
        let mut bits = BitReader::new(&[0b0101_1000, 0b0000_0000, 0b1111_1110], 0);
        assert_eq!(table.decode(&mut bits), Ok(7));
        assert_eq!(table.decode(&mut bits), Ok(8));
        assert_eq!(table.decode(&mut bits), Ok(9));
        assert_eq!(bits.take(1), Ok(0));
        let mut bits = BitReader::new(&[0xfe, 0xfe], 0);
        assert!(table.decode(&mut bits).is_err());
    }

    #[test]
    fn impossible_tables_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Huffman::new(&counts, &[1, 2, 3]).is_err());
        counts[0] = 2;
        assert!(Huffman::new(&counts, &[1]).is_err());
    }
}
