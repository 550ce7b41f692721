//! The file as a sequence of marker segments (ITU T.81, annex B).

use super::color::ColorSpace;
use super::damage::{Damage, Outcome};
use super::frame::{Frame, QuantTable};
use super::huffman::Huffman;
use super::scan::{ScanHeader, Tables, ZIGZAG};

const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;
const SOF0: u8 = 0xc0;
const SOF1: u8 = 0xc1;
const SOF2: u8 = 0xc2;
const DHT: u8 = 0xc4;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;

/// The most scans that are decoded. Encoders write about ten; each one costs a
/// pass over the picture, however few bytes it has.
const MAX_SCANS: usize = 100;

/// What is written beside the picture.
#[derive(Default)]
pub(super) struct Metadata<'a> {
    /// There is a JFIF header.
    jfif: bool,
    /// The colour transform in Adobe's segment.
    adobe_transform: Option<u8>,
    /// The EXIF block, from its TIFF header on.
    pub(super) exif: Option<&'a [u8]>,
    /// The first part of the colour profile.
    pub(super) icc_profile: Option<&'a [u8]>,
}

impl<'a> Metadata<'a> {
    /// What the components mean, by the rules of libjpeg's
    /// `default_decompress_parms`.
    pub(super) fn color_space(&self, frame: &Frame) -> Outcome<ColorSpace> {
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        match (ids.as_slice(), self.adobe_transform) {
            ([_], _) => Ok(ColorSpace::Gray),
            ([_, _, _], _) if self.jfif => Ok(ColorSpace::YCbCr),
            ([_, _, _], Some(0)) => Ok(ColorSpace::Rgb),
            ([_, _, _], Some(_)) => Ok(ColorSpace::YCbCr),
            (b"RGB", None) => Ok(ColorSpace::Rgb),
            ([_, _, _], None) => Ok(ColorSpace::YCbCr),
            ([_, _, _, _], None | Some(0)) => Ok(ColorSpace::Cmyk),
            ([_, _, _, _], Some(_)) => Ok(ColorSpace::Ycck),
            _ => Err(Damage::Unsupported("its number of components")),
        }
    }

    /// Notes what an application segment says.
    fn add(&mut self, marker: u8, body: &'a [u8]) {
        match marker {
            APP0 if body.starts_with(b"JFIF\0") => self.jfif = true,
            APP1 if self.exif.is_none() => self.exif = body.strip_prefix(b"Exif\0\0"),
            APP2 if self.icc_profile.is_none() => {
                // Two bytes number the parts of the profile.
                let parts = body.strip_prefix(b"ICC_PROFILE\0");
                self.icc_profile = parts.and_then(|parts| parts.get(2..));
            }
            APP14 if body.starts_with(b"Adobe") => self.adobe_transform = body.get(11).copied(),
            _ => {}
        }
    }
}

/// A file that is being read.
pub(super) struct Stream<'a> {
    data: &'a [u8],
    position: usize,
    quant: [Option<QuantTable>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    restart_interval: usize,
    frame: Option<Frame>,
    metadata: Metadata<'a>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Stream {
            data,
            // After the start-of-image marker.
            position: 2,
            quant: [None; 4],
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            restart_interval: 0,
            frame: None,
            metadata: Metadata::default(),
        }
    }

    /// Reads up to the frame header; returns width and height in pixels.
    pub(super) fn read_frame_header(&mut self) -> Outcome<(u32, u32)> {
        loop {
            let (marker, body) = self.next_segment()?;
            self.apply(marker, body)?;
            if let Some(frame) = &self.frame {
                return Ok((frame.width as u32, frame.height as u32));
            }
        }
    }

    /// Reads the rest of the picture, up to its end marker.
    pub(super) fn read_scans(mut self) -> Outcome<(Frame, Metadata<'a>)> {
        let mut frame = self.frame.take().ok_or(Damage::Corrupt("there is no frame header"))?;
        frame.allocate();
        let mut scans = 0;
        loop {
            let (marker, body) = self.next_segment()?;
            match marker {
                EOI => break,
                SOS => {
                    scans += 1;
                    if scans > MAX_SCANS {
                        return Err(Damage::Unsupported("more than 100 scans"));
                    }
                    self.read_scan(body, &mut frame)?;
                }
                _ => self.apply(marker, body)?,
            }
            if self.frame.is_some() {
                return Err(Damage::Corrupt("there are two frame headers"));
            }
        }
        frame.finish()?;
        Ok((frame, self.metadata))
    }

    fn read_scan(&mut self, body: &[u8], frame: &mut Frame) -> Outcome<()> {
        let scan = ScanHeader::parse(body, frame)?;
        for component in scan.components() {
            let component = &mut frame.components[component];
            if component.quant.is_none() {
                component.quant = self.quant[component.quant_index];
            }
        }
        let tables = Tables { dc: &self.dc, ac: &self.ac, restart_interval: self.restart_interval };
        self.position = scan.decode(frame, &tables, self.data, self.position)?;
        Ok(())
    }

    /// Acts on a segment other than scan and end.
    fn apply(&mut self, marker: u8, body: &'a [u8]) -> Outcome<()> {
        match marker {
            SOF0 | SOF1 | SOF2 => self.frame = Some(Frame::parse(body, marker == SOF2)?),
            DHT => self.read_huffman_tables(body)?,
            DQT => self.read_quant_tables(body)?,
            DRI => {
                let interval = body.first_chunk().ok_or(TOO_SHORT)?;
                self.restart_interval = usize::from(u16::from_be_bytes(*interval));
            }
            0xc3 | 0xc7 | 0xcb | 0xcf => return Err(Damage::Unsupported("lossless coding")),
            0xc9..=0xce => return Err(Damage::Unsupported("arithmetic coding")),
            0xc5..=0xc6 => return Err(Damage::Unsupported("hierarchical coding")),
            0xdc => return Err(Damage::Unsupported("a height that follows the data")),
            SOS | EOI => return Err(Damage::Corrupt("there is no frame header")),
            _ => self.metadata.add(marker, body),
        }
        Ok(())
    }

    /// The next marker and what belongs to it. Bytes before a marker, which
    /// should not be there, are passed over as libjpeg does.
    fn next_segment(&mut self) -> Outcome<(u8, &'a [u8])> {
        loop {
            let rest = self.data.get(self.position..).ok_or(Damage::Truncated)?;
            let start = rest.iter().position(|&byte| byte == 0xff).ok_or(Damage::Truncated)?;
            let fill = rest[start..].iter().take_while(|&&byte| byte == 0xff).count();
            let marker = *rest.get(start + fill).ok_or(Damage::Truncated)?;
            self.position += start + fill + 1;
            match marker {
                // Stuffed data, restart markers and others without a body.
                0x00 | 0x01 | 0xd0..=SOI => {}
                EOI => return Ok((EOI, &[])),
                _ => return Ok((marker, self.body()?)),
            }
        }
    }

    fn body(&mut self) -> Outcome<&'a [u8]> {
        let rest = self.data.get(self.position..).ok_or(Damage::Truncated)?;
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk().ok_or(Damage::Truncated)?));
        if length < 2 {
            return Err(Damage::Corrupt("a segment has an impossible length"));
        }
        let body = rest.get(2..length).ok_or(Damage::Truncated)?;
        self.position += length;
        Ok(body)
    }

    fn read_huffman_tables(&mut self, mut body: &[u8]) -> Outcome<()> {
        while let Some((&class_and_index, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(TOO_SHORT)?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(total).ok_or(TOO_SHORT)?;
            let table = Huffman::new(counts, symbols)?;
            let index = usize::from(class_and_index & 15);
            let tables = if class_and_index >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(index).ok_or(Damage::Corrupt("a table has an impossible number"))? =
                Some(table);
            body = rest;
        }
        Ok(())
    }

    fn read_quant_tables(&mut self, mut body: &[u8]) -> Outcome<()> {
        while let Some((&precision_and_index, rest)) = body.split_first() {
            let bytes = if precision_and_index >> 4 == 0 { 1 } else { 2 };
            let (steps, rest) = rest.split_at_checked(64 * bytes).ok_or(TOO_SHORT)?;
            let mut table = [0; 64];
            for (step, &position) in steps.chunks_exact(bytes).zip(&ZIGZAG) {
                table[position] = step.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            }
            let index = usize::from(precision_and_index & 15);
            *self
                .quant
                .get_mut(index)
                .ok_or(Damage::Corrupt("a table has an impossible number"))? = Some(table);
            body = rest;
        }
        Ok(())
    }
}

const TOO_SHORT: Damage = Damage::Corrupt("a segment is too short");
