//! `bench`: what it measures differs between machines, its form does not.

use crate::harness::Sandbox;

#[test]
fn every_precision_gets_a_case() {
    for command in ["gemm --shape 3x5x7", "conv --shape 2x3x3x6", "attention --shape 1x2x3x4x8"] {
        let command = format!("bench {command} --runs 2 --format json");
        let report = Sandbox::new().hps(&command).expect(0).json();
        let cases = report["cases"].as_array().unwrap();
        let precisions: Vec<_> = cases.iter().map(|case| case["precision"].as_str()).collect();
        assert_eq!(precisions, [Some("f32"), Some("accurate"), Some("fast")]);
        for case in cases {
            assert_eq!(case["runs"], 2);
            assert!(case["median_s"].as_f64().unwrap() > 0.0, "{case}");
        }
    }
}

#[test]
fn wrong_sizes_are_usage_errors() {
    for shape in ["3x5", "3x0x7", "axbxc"] {
        let outcome = Sandbox::new().hps(&format!("bench gemm --shape {shape}")).expect(2);
        assert!(outcome.stderr.contains("3 positive numbers"), "{outcome:?}");
    }
    let outcome = Sandbox::new().hps("bench gemm --precision f17").expect(2);
    assert!(outcome.stderr.contains("accurate"), "{outcome:?}");
}
