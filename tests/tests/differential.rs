//! Random towers and images: a sample of what `cargo xtask differential` compares with the reference.

use glm4v::model::{AttentionMethod, ComputeMode};
use glm4v::weights::Checkpoint;
use glm4v::{FloatDType, Processor, VisionConfig, VisionEncoder};
use glm4v_tests::{F32_TOLERANCE, Golden, compare, differential_dir, load_options, open_device};

/// Every stage of every case, with the encoder that `load` builds.
fn check(load: impl Fn(&Golden) -> VisionEncoder) {
    let cases = Golden::all_in(&differential_dir()).unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let comparison = compare(&case, &load(&case), FloatDType::F32, F32_TOLERANCE).unwrap();
        if let Some(row) = comparison.first_divergence() {
            panic!("{}: first diverges at {row:?}\n{comparison:#?}", case.name);
        }
    }
}

#[test]
fn random_towers_on_the_cpu_are_the_references() {
    let options = load_options("flex").unwrap();
    check(|case| VisionEncoder::load(&case.checkpoint, &options).unwrap());
}

/// With burn's operations instead of the CPU kernels.
#[test]
fn random_towers_on_a_device_are_the_references() {
    let device = open_device("flex").unwrap();
    check(|case| {
        let config = VisionConfig::from_file(case.checkpoint.join("config.json")).unwrap();
        let mode = ComputeMode::Device(FloatDType::F32);
        let checkpoint = Checkpoint::open(&case.checkpoint).unwrap();
        let (model, _) = checkpoint.load(&config, &device, mode).unwrap();
        let processor = Processor::from_dir(&case.checkpoint).unwrap();
        let encoder = VisionEncoder::new(model, processor).unwrap();
        encoder.with_attention(AttentionMethod::Eager)
    });
}
