//! Tags of EXIF data, which has the form of TIFF.

use super::orientation::Orientation;

const ORIENTATION_TAG: u16 = 0x0112;
const SHORT: u16 = 3;
const LONG: u16 = 4;

/// The orientation in an EXIF block: a TIFF header with its first directory, with
/// or without `Exif\0\0` in front. Anything unclear counts as upright.
pub(super) fn orientation(exif: &[u8]) -> Orientation {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let value = tag_value(tiff, ORIENTATION_TAG).and_then(|value| u16::try_from(value).ok());
    value.map_or_else(Orientation::default, Orientation::from_value)
}

/// The first value of a 16 or 32-bit tag in the first directory of (classic) TIFF.
pub(super) fn tag_value(tiff: &[u8], tag: u16) -> Option<u32> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes: [u8; 4] = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = u32_at(4)? as usize;
    let count = u16_at(directory)? as usize;
    let mut entries = (0..count).map_while(|index| directory.checked_add(2 + 12 * index));
    let entry = entries.find(|&entry| u16_at(entry) == Some(tag))?;
    match u16_at(entry + 2)? {
        SHORT => u16_at(entry + 8).map(u32::from),
        LONG => u32_at(entry + 8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_are_read() {
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let big = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0";
        assert_eq!(orientation(little).value(), 6);
        assert_eq!(orientation(big).value(), 8);
        for cut in 0..little.len() - 6 {
            assert_eq!(orientation(&little[..cut]).value(), 1);
        }
    }
}
