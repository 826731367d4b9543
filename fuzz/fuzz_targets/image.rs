//! Image files of every format but AVIF, through the whole path.
#![no_main]

use glm4v_fuzz::{check_image, contained};
use glm4v_preprocess::ImageCodec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| contained(|| check(data)));

fn check(data: &[u8]) {
    if ImageCodec::detect(data) != Some(ImageCodec::Avif) {
        check_image(data);
    }
}
