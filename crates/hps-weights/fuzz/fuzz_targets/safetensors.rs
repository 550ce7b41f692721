//! Any bytes as a safetensors file, and any bytes as the header of one.
//!
//! `cargo +nightly fuzz run safetensors`; `tests/fixtures/reward/hps-tiny.safetensors` is a seed.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod load;

fuzz_target!(|data: &[u8]| {
    load::everything(data.to_vec());
    for length in [0, 4, 64] {
        let mut file = (data.len() as u64).to_le_bytes().to_vec();
        file.extend(data);
        file.resize(file.len() + length, 0x3c);
        load::everything(file);
    }
});
