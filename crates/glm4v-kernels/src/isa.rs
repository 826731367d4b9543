//! Which instructions the processor has, and how code is compiled for them.

use std::fmt;
use std::sync::OnceLock;

/// The instruction sets that the kernels are written for, each one including those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Isa {
    /// What the target of the build has everywhere.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX-512 with products of bf16 pairs (`VDPBF16PS`).
    Avx512Bf16,
}

impl Isa {
    /// The best one that this processor has; the kernels use it.
    #[must_use]
    pub fn detected() -> Self {
        static DETECTED: OnceLock<Isa> = OnceLock::new();
        *DETECTED.get_or_init(detect)
    }

    /// Every one that this processor has.
    #[cfg(test)]
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        [Self::Portable, Self::Avx2, Self::Avx512, Self::Avx512Bf16]
            .into_iter()
            .filter(|isa| *isa <= Self::detected())
    }

    /// # Panics
    /// If the processor lacks it: whatever is compiled for an instruction set runs only behind this check.
    pub(crate) fn check(self) {
        let detected = Self::detected();
        assert!(
            self <= detected,
            "{self} kernels on a processor with {detected}"
        );
    }

    /// Runs `job` as compiled for this instruction set.
    #[allow(unsafe_code)]
    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        self.check();
        #[cfg(target_arch = "x86_64")]
        match self {
            // SAFETY: checked above.
            Self::Avx512 | Self::Avx512Bf16 => return unsafe { x86::avx512(job) },
            // SAFETY: checked above.
            Self::Avx2 => return unsafe { x86::avx2(job) },
            Self::Portable => {}
        }
        job.run::<{ cfg!(any(target_arch = "aarch64", target_feature = "fma")) }>()
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512bf16",
        })
    }
}

/// Plain code that the compiler vectorises for each instruction set.
pub(crate) trait Job {
    type Output;

    /// Implementations are `#[inline(always)]`, and so is what they call: only what is inlined is compiled for the set.
    fn run<const FUSED: bool>(self) -> Self::Output;
}

/// a·b + c, rounded once where there is an instruction for it (a call of libm's would take a hundred times as long).
#[inline(always)]
pub(crate) fn mul_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Job;

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) fn avx512<J: Job>(job: J) -> J::Output {
        job.run::<true>()
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2<J: Job>(job: J) -> J::Output {
        job.run::<true>()
    }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return Isa::Portable;
    }
    if !(is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl"))
    {
        return Isa::Avx2;
    }
    if is_x86_feature_detected!("avx512bf16") {
        Isa::Avx512Bf16
    } else {
        Isa::Avx512
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Isa {
    Isa::Portable
}
