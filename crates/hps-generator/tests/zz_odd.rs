//! temporary
#![allow(clippy::unwrap_used, clippy::print_stderr)]
mod reference;
#[test]
fn odd() {
    use hps_generator::unet::*;
    let files = hps_weights::ModelFiles::folder("/tmp/odd").unwrap();
    let config = UNetConfig::from_json(&files.read_json("config.json").unwrap()).unwrap();
    let cp = files.checkpoint("diffusion_pytorch_model.safetensors").unwrap();
    let u = UNet::load(&config, cp.var_builder(&candle_core::Device::Cpu)).unwrap();
    let t = candle_core::safetensors::load("/tmp/odd/ref.safetensors", &candle_core::Device::Cpu)
        .unwrap();
    let y = u.forward(&t["x"], &[731.0, 12.5], &t["c"]).unwrap();
    eprintln!(
        "odd deviation {:.2e}",
        reference::deviation(&reference::values(&y), &reference::values(&t["y"]))
    );
}
