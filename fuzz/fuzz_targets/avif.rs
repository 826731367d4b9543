//! AVIF files, through the whole path. A panic of their decoder ends the process, so they are apart from other images.
#![no_main]

use glm4v_fuzz::{check_image, contained};
use glm4v_preprocess::ImageCodec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| contained(|| check(data)));

fn check(data: &[u8]) {
    if ImageCodec::detect(data) == Some(ImageCodec::Avif) {
        check_image(data);
    }
}
