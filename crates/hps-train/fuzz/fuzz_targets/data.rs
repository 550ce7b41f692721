//! Reading comparisons must neither panic nor break its promises, whatever the bytes.
//!
//! Run with `cargo +nightly fuzz run data`; seed the corpus with the examples in the
//! documentation of `hps_train::data`.

#![no_main]

use hps_train::data::{Dataset, Preference, ReadOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(data) = Dataset::from_reader(bytes, "fuzz", &ReadOptions::default()) else { return };
    assert_eq!(data.items, data.comparisons.len() + data.broken.len());
    for comparison in &data.comparisons {
        let images = comparison.images.len();
        assert!(images > 0 && comparison.preference.len() == images);
        assert!(comparison.annotations.iter().all(|ranks| ranks.len() == images));
        if let Preference::Label(label) = &comparison.preference {
            assert!(label.iter().all(|share| share.is_finite() && *share >= 0.0));
        }
        let sum: f32 = comparison.preference.soft_label(0.1).iter().sum();
        assert!((sum - 1.0).abs() < 1e-3);
    }
});
