//! Any bytes as a PyTorch file, and as the pickle in a well-formed one.
//!
//! `cargo +nightly fuzz run pt`; `tests/fixtures/reward/hps-tiny.pt` is a seed.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod load;

fuzz_target!(|data: &[u8]| {
    load::everything(data.to_vec());
    load::everything(archive(data));
});

/// A zip archive with `pickle` as its `m/data.pkl` and one storage of 64 bytes, `m/data/0`.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let entries = [("m/data.pkl", pickle), ("m/data/0", &[0x3c; 64])];
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let start = bytes.len() as u32;
        let length = (data.len() as u32).to_le_bytes();
        bytes.extend(b"PK\x03\x04");
        bytes.extend([0; 22]);
        bytes.extend([name.len() as u8, 0, 0, 0]);
        bytes.extend(name.bytes());
        bytes.extend(data);
        directory.extend(b"PK\x01\x02");
        directory.extend([0; 16]);
        directory.extend(length);
        directory.extend(length);
        directory.extend([name.len() as u8, 0]);
        directory.extend([0; 12]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.bytes());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0\0\0\x02\0");
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}
