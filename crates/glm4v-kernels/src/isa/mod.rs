//! The instruction sets of processors, and code compiled for each.

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

use std::fmt;
use std::sync::OnceLock;

/// The instruction sets of the kernels. Each one includes those before it. A build for one architecture has only the sets of this
/// architecture: AVX2 and AVX-512 on x86-64, NEON on ARM64. [`Amx`](crate::Amx) is apart: it multiplies, and one of these sets does
/// the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// The instructions that every processor of the build target has.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 with products of bf16 pairs (`VDPBF16PS`).
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// NEON.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// NEON with products of 2 × 4 and 4 × 2 matrices of bf16 (`BFMMLA`).
    #[cfg(target_arch = "aarch64")]
    NeonBf16,
}

impl Isa {
    /// The set that the kernels use: the last one that this processor has. It is [`Avx512`](Self::Avx512) if products of bf16
    /// pairs are slower than those of f32.
    #[must_use]
    pub fn detected() -> Self {
        static DETECTED: OnceLock<Isa> = OnceLock::new();
        *DETECTED.get_or_init(|| match Self::most() {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 if !x86::multiplies_pairs_fast() => Self::Avx512,
            most => most,
        })
    }

    /// The last set that this processor has.
    fn most() -> Self {
        static MOST: OnceLock<Isa> = OnceLock::new();
        *MOST.get_or_init(most)
    }

    /// Every set that this processor has.
    #[cfg(test)]
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        [
            Self::Portable,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16,
            #[cfg(target_arch = "aarch64")]
            Self::Neon,
            #[cfg(target_arch = "aarch64")]
            Self::NeonBf16,
        ]
        .into_iter()
        .filter(|isa| *isa <= Self::most())
    }

    /// # Panics
    /// If the processor lacks it. Code that is compiled for an instruction set runs only after this check.
    pub(crate) fn check(self) {
        let most = Self::most();
        assert!(self <= most, "{self} kernels on a processor with {most}");
    }

    /// Runs the version of `job` that is compiled for this instruction set.
    #[allow(unsafe_code)]
    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        self.check();
        match self {
            // SAFETY: checked above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Bf16 => unsafe { x86::avx512(job) },
            // SAFETY: checked above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::avx2(job) },
            // SAFETY: checked above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon | Self::NeonBf16 => unsafe { arm::neon(job) },
            Self::Portable => {
                job.run::<{ cfg!(any(target_arch = "aarch64", target_feature = "fma")) }>()
            }
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => "avx512bf16",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            #[cfg(target_arch = "aarch64")]
            Self::NeonBf16 => "neonbf16",
        })
    }
}

/// Plain code that the compiler vectorises for each instruction set.
pub(crate) trait Job {
    type Output;

    /// Implementations and the functions that they call are `#[inline(always)]`: only inlined code is compiled for the set.
    fn run<const FUSED: bool>(self) -> Self::Output;
}

/// a·b + c, rounded once if the processor has an instruction for it. libm's function takes a hundred times as long.
#[inline(always)]
pub(crate) fn mul_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

#[cfg(target_arch = "aarch64")]
use arm::most;
#[cfg(target_arch = "x86_64")]
use x86::most;

#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
fn most() -> Isa {
    Isa::Portable
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cargo xtask test-arm` names the set of the processor that it emulates.
    #[test]
    fn the_set_is_that_of_the_processor() {
        if let Ok(expected) = std::env::var("GLM4V_TEST_ISA") {
            assert_eq!(Isa::detected().to_string(), expected);
        }
    }
}
