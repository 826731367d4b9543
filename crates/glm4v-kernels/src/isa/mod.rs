//! Which instructions the processor has, and how code is compiled for them.

#[cfg(target_arch = "x86_64")]
mod x86;

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
    /// AMX: products of whole tiles of bf16 pairs (`TDPBF16PS`), where the system is Linux and grants them and `GLM4V_AMX`
    /// is set in the environment. Every processor that has it has all of the above.
    Amx,
}

impl Isa {
    /// The one that the kernels use: the last that this processor has, but [`Avx512`](Self::Avx512) where products of bf16
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

    /// The last one that this processor has.
    fn most() -> Self {
        static MOST: OnceLock<Isa> = OnceLock::new();
        *MOST.get_or_init(most)
    }

    /// Every one that this processor has.
    #[cfg(test)]
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        [
            Self::Portable,
            Self::Avx2,
            Self::Avx512,
            Self::Avx512Bf16,
            Self::Amx,
        ]
        .into_iter()
        .filter(|isa| *isa <= Self::most())
    }

    /// # Panics
    /// If the processor lacks it: whatever is compiled for an instruction set runs only behind this check.
    pub(crate) fn check(self) {
        let most = Self::most();
        assert!(self <= most, "{self} kernels on a processor with {most}");
    }

    /// Runs `job` as compiled for this instruction set.
    #[allow(unsafe_code)]
    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        self.check();
        #[cfg(target_arch = "x86_64")]
        match self {
            // SAFETY: checked above.
            Self::Avx512 | Self::Avx512Bf16 | Self::Amx => return unsafe { x86::avx512(job) },
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
            Self::Amx => "amx",
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
use x86::most;

#[cfg(not(target_arch = "x86_64"))]
fn most() -> Isa {
    Isa::Portable
}
