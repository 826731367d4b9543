use glm4v_config::Preset;
use glm4v_preprocess::{DecodeLimits, DecodeOptions, Processor, ReadOptions, Source, VideoSource};

/// Most frames of an animation that are decoded.
const MAX_FRAMES: usize = 32;

/// Small limits, so that one run is short.
pub fn options() -> ReadOptions {
    ReadOptions {
        decode: DecodeOptions {
            limits: DecodeLimits {
                max_decoded_pixels: 1 << 18,
                max_decoded_bytes: 1 << 21,
                max_file_bytes: 1 << 20,
            },
            ..DecodeOptions::default()
        },
        ..ReadOptions::default()
    }
}

/// Opens a file in memory and reads it in every way. All ways must agree whether it is readable.
pub fn check_image(bytes: &[u8]) {
    let options = options();
    let Ok(source) = Source::from_bytes("fuzz", bytes.to_vec(), &options) else {
        return;
    };
    let image = match &source {
        Source::Image(image) => image,
        Source::Video(video) => return check_animation(video),
    };
    let decoded = image.decode();
    if let Ok(decoded) = &decoded {
        let found = (decoded.height() as usize, decoded.width() as usize);
        assert_eq!(found, image.size(), "the header promised another size");
    }
    let is_readable = decoded.is_ok();
    drop(decoded);
    let processor = Processor::from_preset(Preset::Tiny);
    let Ok(probed) = processor.probe(source) else {
        return;
    };
    let tokens = probed.grid.num_tokens(processor.config().merge_size);
    let (patches, errors) = processor.read_batch(&[probed]);
    assert_eq!(
        errors[0].is_none(),
        is_readable,
        "decode and read_batch disagree: {:?}",
        errors[0]
    );
    if is_readable {
        assert_eq!(
            patches.grids()[0].num_tokens(processor.config().merge_size),
            tokens
        );
        let values = patches.pixel_values();
        assert!(values.iter().all(|value| value.is_finite()));
    }
}

/// Reads the first frames of an animation.
pub fn check_animation(video: &VideoSource) {
    let count = video.metadata().num_frames;
    assert!(count > 0, "a video without frames was opened");
    let indices: Vec<usize> = (0..count.min(MAX_FRAMES)).collect();
    let Ok(frames) = video.frames(&indices) else {
        return;
    };
    for frame in frames {
        let Ok(frame) = frame else { return };
        let found = (frame.height() as usize, frame.width() as usize);
        assert_eq!(found, video.size(), "the header promised another size");
    }
}
