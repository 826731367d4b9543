//! AVIF files, through the whole path. A panic of their decoder ends the process, so they are apart from other images.
#![no_main]

use glm4v_fuzz::{check_image, contained, options};
use glm4v_preprocess::{ImageCodec, MediaKind, decode_image};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| contained(|| check(data)));

fn check(data: &[u8]) {
    if ImageCodec::detect(data) != Some(ImageCodec::Avif) {
        return;
    }
    match MediaKind::detect(data) {
        // A sequence would be opened as a video, by ffmpeg. As an image it is its first frame.
        Some(MediaKind::Video) => drop(decode_image(data, &options().decode)),
        Some(MediaKind::Image | MediaKind::UnsupportedImage) | None => check_image(data),
    }
}
