#![allow(clippy::unwrap_used)]

use super::*;

/// An archive in PyTorch's manner, with zip64 fields where `zip64` asks for them.
fn archive(entries: &[(&str, &[u8])], zip64: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let start = bytes.len() as u64;
        let name_length = (name.len() as u16).to_le_bytes();
        bytes.extend(LOCAL_HEADER.to_le_bytes());
        bytes.extend([0; 22]);
        bytes.extend(name_length);
        bytes.extend([5, 0]);
        bytes.extend(name.as_bytes());
        bytes.extend(b"extra");
        bytes.extend(*data);
        directory.extend(CENTRAL_HEADER.to_le_bytes());
        directory.extend([0; 16]);
        let size = data.len() as u32;
        let mut extra = Vec::new();
        if zip64 {
            directory.extend([0xff; 8]);
            extra.extend([9, 9, 2, 0, 1, 1, 1, 0, 24, 0]);
            extra.extend(u64::from(size).to_le_bytes());
            extra.extend(u64::from(size).to_le_bytes());
            extra.extend(start.to_le_bytes());
        } else {
            directory.extend(size.to_le_bytes());
            directory.extend(size.to_le_bytes());
        }
        directory.extend(name_length);
        directory.extend((extra.len() as u16).to_le_bytes());
        directory.extend([0; 10]);
        directory.extend(if zip64 { u32::MAX } else { start as u32 }.to_le_bytes());
        directory.extend(name.as_bytes());
        directory.extend(extra);
    }
    let start = bytes.len() as u64;
    bytes.extend(&directory);
    if zip64 {
        let record = bytes.len() as u64;
        bytes.extend(END_ZIP64.to_le_bytes());
        bytes.extend([0; 28]);
        bytes.extend((entries.len() as u64).to_le_bytes());
        bytes.extend((directory.len() as u64).to_le_bytes());
        bytes.extend(start.to_le_bytes());
        bytes.extend(END_ZIP64_LOCATOR.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(record.to_le_bytes());
        bytes.extend([0; 4]);
    }
    bytes.extend(END.to_le_bytes());
    bytes.extend([0; 6]);
    if zip64 {
        bytes.extend([0xff; 10]);
    } else {
        bytes.extend((entries.len() as u16).to_le_bytes());
        bytes.extend((directory.len() as u32).to_le_bytes());
        bytes.extend((start as u32).to_le_bytes());
    }
    bytes.extend([0; 2]);
    bytes
}

#[test]
fn both_directory_forms_give_the_same_places() {
    for zip64 in [false, true] {
        let bytes = archive(&[("m/data.pkl", b"pickle"), ("m/data/0", b"12345678")], zip64);
        let directory = Directory::read(&bytes).unwrap();
        assert_eq!(directory.names().count(), 2);
        let range = directory.stored_range("f", &bytes, "m/data/0").unwrap().unwrap();
        assert_eq!(&bytes[range], b"12345678");
        assert_eq!(directory.stored_range("f", &bytes, "m/data/1").unwrap(), None);
        let (name, start) = first_entry(&bytes).unwrap();
        assert_eq!((name.as_str(), &bytes[start..start + 6]), ("m/data.pkl", &b"pickle"[..]));
    }
}

#[test]
fn cut_files_have_no_end() {
    for zip64 in [false, true] {
        let bytes = archive(&[("a", b"1"), ("b", b"2")], zip64);
        for length in 0..bytes.len() {
            assert!(matches!(Directory::read(&bytes[..length]), Err(DirectoryError::NoEnd)));
        }
    }
}

#[test]
fn compressed_encrypted_and_repeated_entries_are_refused() {
    let plain = archive(&[("a", b"1")], false);
    let central = plain.len() - END_BYTES - CENTRAL_HEADER_BYTES - 1;
    for (at, value, part) in [(10, 8, "compressed"), (24, 2, "compressed"), (8, 1, "encrypted")] {
        let mut bytes = plain.clone();
        bytes[central + at] = value;
        let directory = Directory::read(&bytes).unwrap();
        let error = directory.stored_range("f", &bytes, "a").unwrap_err();
        assert!(error.message().contains(part), "{error}");
    }
    let twice = archive(&[("a", b"1"), ("a", b"2")], false);
    assert!(matches!(Directory::read(&twice), Err(DirectoryError::Damaged(_))));
}

#[test]
fn no_single_changed_byte_panics() {
    for zip64 in [false, true] {
        let bytes = archive(&[("m/data.pkl", b"pickle"), ("m/data/0", b"12345678")], zip64);
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let Ok(directory) = Directory::read(&changed) else { continue };
                for name in directory.names() {
                    if let Ok(Some(range)) = directory.stored_range("f", &changed, name) {
                        assert!(range.end <= changed.len());
                    }
                }
            }
        }
    }
}
