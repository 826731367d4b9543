//! The header gives the size of the decoded image.

use std::path::PathBuf;

use glm4v_config::{Preset, SizeLimits};
use glm4v_preprocess::{PreprocessError, Processor, ReadOptions, Source, open_image};

fn images() -> PathBuf {
    std::path::absolute("../../tests/images").unwrap()
}

#[test]
fn the_size_is_known_before_the_pixels() {
    let mut options = ReadOptions {
        first_frame_only: true,
        ..ReadOptions::default()
    };
    let mut count = 0;
    for entry in std::fs::read_dir(images()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") {
            continue;
        }
        for apply_exif in [true, false] {
            options.decode.apply_exif = apply_exif;
            let image = open_image(&path, &options.decode).unwrap();
            let expected = (image.height() as usize, image.width() as usize);
            let source = Source::open(&path, &options).unwrap();
            assert!(matches!(source, Source::Image(_)), "{}", path.display());
            assert_eq!(source.size(), expected, "{}", path.display());
        }
        count += 1;
    }
    assert!(count > 40);
}

#[test]
fn an_animation_is_a_video_and_an_image_that_is_too_large_is_refused() {
    let path = images().join("animated.gif");
    let mut options = ReadOptions::default();
    let source = Source::open(&path, &options).unwrap();
    assert!(matches!(source, Source::Video(video) if video.metadata().num_frames > 1));
    options.first_frame_only = true;
    options.decode.limits.max_decoded_pixels = 10;
    let error = Source::open(&path, &options).unwrap_err().to_string();
    assert!(
        error.contains("animated.gif") && error.contains("pixels"),
        "{error}"
    );
}

#[test]
fn a_video_file_is_not_read_from_memory() {
    let start = b"\0\0\0\x20ftypisom".to_vec();
    let error = Source::from_bytes("cat.mp4", start, &ReadOptions::default());
    let message = error.unwrap_err().to_string();
    assert!(message.starts_with("cat.mp4: a video file"), "{message}");
}

/// The bound covers the larger of what is decoded and what is resized, and grows with the size.
#[test]
fn decode_bytes_grow_with_the_size() {
    let mut config = Preset::Glm41V9B.image_processor();
    config.size = SizeLimits {
        shortest_edge: 28 * 28 * 5,
        longest_edge: 28 * 28 * 40,
    };
    let processor = Processor::image_only(config).unwrap();
    let mut last = [0; 3];
    for side in (100..4000).step_by(100) {
        let grid = processor.grid(side, side).unwrap();
        let bytes = [None, Some(3), Some(300)]
            .map(|frames| processor.decode_bytes((side, side), grid, frames));
        assert!(bytes[0] >= 3 * (side * side) as u64);
        assert!(bytes[2] >= 8 * 3 * (side * side) as u64);
        assert!(bytes[0] < bytes[1] && bytes[1] < bytes[2]);
        assert!(bytes.iter().zip(last).all(|(new, last)| *new >= last));
        last = bytes;
    }
}

/// The configuration demands more pixels than a side of 32 bits can have.
#[test]
fn an_image_that_becomes_too_large_for_memory_is_an_error() {
    let mut config = Preset::Glm41V9B.image_processor();
    config.size = SizeLimits {
        shortest_edge: 1 << 58,
        longest_edge: 1 << 58,
    };
    let processor = Processor::image_only(config).unwrap();
    let source = Source::from_image(image::DynamicImage::new_rgb8(4000, 20));
    let input = processor.probe(source).unwrap();
    let (patches, errors) = processor.read_batch(&[input]);
    assert_eq!(patches.num_patches(), 0);
    assert!(matches!(errors[0], Some(PreprocessError::Allocation)));
}
