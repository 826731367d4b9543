use glm4v_config::{Preset, RopeParameters, VisionModelType};

use super::*;
use crate::keys::*;
use crate::{TensorInfo, TensorType};

fn mmproj(preset: Preset) -> Mmproj {
    let processor = preset.image_processor();
    Mmproj {
        config: preset.vision(),
        image_mean: processor.image_mean,
        image_std: processor.image_std,
        tokens: processor.tokens,
    }
}

/// The header of a file of this tower.
fn header(mmproj: &Mmproj, format: Format) -> Header {
    let info = |tensor: NewTensor| TensorInfo {
        name: tensor.name,
        shape: tensor.shape,
        tensor_type: TensorType::of_id(tensor.format.id()).unwrap(),
        start: 0,
        bytes: 0,
    };
    let tensors = Mmproj::tensors(&mmproj.config, format).into_iter();
    Header {
        metadata: mmproj.metadata(format).unwrap(),
        tensors: tensors.map(info).collect(),
    }
}

#[test]
fn the_metadata_describes_every_preset() {
    for preset in Preset::ALL {
        let written = mmproj(preset);
        let read = Mmproj::from_header(&header(&written, Format::Q8_0), "file").unwrap();
        let expected = Mmproj {
            config: VisionConfig {
                // GLM-4.5V has the tower of GLM-4.1V, and files do not tell them apart.
                model_type: match written.config.model_type {
                    VisionModelType::Glm4vMoeVision => VisionModelType::Glm4vVision,
                    other => other,
                },
                ..written.config
            },
            ..written
        };
        assert_eq!(read, expected, "{preset}");
    }
}

/// The values that the published file of GLM-4.6V-Flash has.
#[test]
fn the_metadata_is_that_of_the_published_file() {
    let header = header(&mmproj(Preset::Glm46VFlash), Format::F16);
    for (key, expected) in [
        ("general.architecture", Value::from("clip")),
        ("general.file_type", 1_u32.into()),
        ("clip.projector_type", "glm4v".into()),
        ("clip.use_silu", true.into()),
        ("clip.vision.projection_dim", 4096_u32.into()),
        ("clip.vision.feed_forward_length", 13696_u32.into()),
        ("clip.vision.attention.layer_norm_epsilon", 1e-5_f32.into()),
    ] {
        assert_eq!(header.get(key), Some(&expected), "{key}");
    }
}

#[test]
fn limits_of_glm5_are_pixels_of_one_frame() {
    let header = header(&mmproj(Preset::Glm53Flash), Format::F32);
    let pixels = |key| header.get(key).and_then(Value::as_size);
    assert_eq!(pixels(MIN_PIXELS), Some(16 * 28 * 28));
    assert_eq!(pixels(MAX_PIXELS), Some(8000 * 28 * 28));
}

#[test]
fn metadata_that_does_not_fit_is_refused() {
    let refused = |key: &str, value: Option<Value>| {
        let mut header = header(&mmproj(Preset::Tiny), Format::F32);
        header.metadata.retain(|(found, _)| found != key);
        header
            .metadata
            .extend(value.map(|value| (key.to_owned(), value)));
        Mmproj::from_header(&header, "x.gguf")
            .unwrap_err()
            .to_string()
    };
    for (key, value, part) in [
        (ARCHITECTURE, Some("llama".into()), "begins with mmproj"),
        (
            PROJECTOR,
            Some("qwen3vl_merger".into()),
            "one of: glm4v, glm5v",
        ),
        (
            PROJECTOR,
            None,
            "`clip.vision.projector_type`: expected a text, found no such key",
        ),
        (HAS_VISION, Some(false.into()), "no vision encoder"),
        (USE_SILU, None, "expected true"),
        (
            WIDTH,
            Some(256_u32.into()),
            "expected 128, as in tensor `v.patch_embd.bias`, found 256",
        ),
        (
            OUT_WIDTH,
            Some(512_u32.into()),
            "as in tensor `mm.patch_merger.bias`",
        ),
        (
            MLP_WIDTH,
            Some(100_u32.into()),
            "expected 256 as in tensor `v.blk.0.ffn_gate.weight`, or 768",
        ),
        (PATCH_SIZE, Some(28_u32.into()), "expected 14"),
        (IMAGE_SIZE, Some(140_u32.into()), "576 patches"),
        (MERGE_SIZE, Some(4_u32.into()), "expected 2"),
        (HEADS, Some(3_u32.into()), "`hidden_size`"),
        (HEADS, Some(Value::I32(-2)), "expected an integer, found -2"),
        (DEPTH, Some(0_u32.into()), "`depth`"),
        (EPS, Some(1_u32.into()), "expected a float"),
        (
            MEAN,
            Some(vec![0.5_f32].into()),
            "three 32-bit floats, found an array of length 1",
        ),
        (STD, Some(0.5_f32.into()), "three 32-bit floats"),
    ] {
        let message = refused(key, value);
        assert!(message.contains(part), "{part}: {message}");
        assert!(message.contains("x.gguf"), "{message}");
    }
}

#[test]
fn a_file_without_a_tensor_that_tells_a_size_is_refused() {
    for name in [KERNEL, BLOCK_GATE, MERGER_GATE, "v.position_embd.weight"] {
        let mut header = header(&mmproj(Preset::Tiny), Format::F32);
        header.tensors.retain(|tensor| tensor.name != name);
        let message = Mmproj::from_header(&header, "x.gguf")
            .unwrap_err()
            .to_string();
        assert!(message.contains(name), "{message}");
    }
    let mut header = header(&mmproj(Preset::Tiny), Format::F32);
    header.tensors[0].shape = vec![1];
    let message = Mmproj::from_header(&header, "x.gguf")
        .unwrap_err()
        .to_string();
    assert!(message.contains("has the shape [1]"), "{message}");
}

#[test]
fn towers_that_llama_cpp_computes_differently_are_not_stored() {
    let refused = |change: fn(&mut VisionConfig)| {
        let mut mmproj = mmproj(Preset::Tiny);
        change(&mut mmproj.config);
        mmproj.metadata(Format::F32).unwrap_err().to_string()
    };
    for (message, part) in [
        (
            refused(|config| config.temporal_patch_size = 4),
            "temporal_patch_size is 4",
        ),
        (
            refused(|config| config.spatial_merge_size = 3),
            "spatial_merge_size is 3",
        ),
        (
            refused(|config| config.hidden_act = HiddenAct::Gelu),
            "hidden_act is Gelu",
        ),
        (
            refused(|config| {
                config.rope_parameters = Some(RopeParameters {
                    rope_theta: 500.0,
                    ..RopeParameters::default()
                });
            }),
            "rope_theta is 500",
        ),
    ] {
        assert!(
            message.contains(part) && message.contains(".safetensors"),
            "{message}"
        );
    }
    let glm5 = Mmproj {
        tokens: None,
        ..mmproj(Preset::Glm53Flash)
    };
    let message = glm5.metadata(Format::F32).unwrap_err().to_string();
    assert!(
        message.contains("limits of its image processor"),
        "{message}"
    );
}
