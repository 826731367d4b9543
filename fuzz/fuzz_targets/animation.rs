//! Animated GIF, WebP and PNG: all frames.
#![no_main]

use glm4v_fuzz::{check_animation, contained, options};
use glm4v_preprocess::{ReadOptions, Source, sample_frames};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| contained(|| check(data)));

fn check(data: &[u8]) {
    let options = options();
    if let Ok(Source::Video(video)) = Source::from_bytes("fuzz", data.to_vec(), &options) {
        check_animation(&video);
        for preset in [
            glm4v_config::Preset::Glm41V9B,
            glm4v_config::Preset::Glm46VFlash,
        ] {
            let _ = sample_frames(&preset.video_processor(), video.metadata());
        }
    }
    let first = ReadOptions {
        first_frame_only: true,
        ..options
    };
    if let Ok(Source::Image(image)) = Source::from_bytes("fuzz", data.to_vec(), &first) {
        let _ = image.decode();
    }
}
