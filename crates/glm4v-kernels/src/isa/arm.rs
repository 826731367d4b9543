//! The instruction sets of ARM64 processors, and functions compiled for them.
#![allow(unsafe_code)]

use std::arch::is_aarch64_feature_detected;

use super::{Isa, Job};

#[target_feature(enable = "neon")]
pub(super) fn neon<J: Job>(job: J) -> J::Output {
    job.run::<true>()
}

pub(super) fn most() -> Isa {
    if !is_aarch64_feature_detected!("neon") {
        Isa::Portable
    } else if !is_aarch64_feature_detected!("bf16") {
        Isa::Neon
    } else {
        Isa::NeonBf16
    }
}
