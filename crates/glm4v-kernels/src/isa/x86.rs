//! The instruction sets of x86-64 processors, and functions compiled for them.
#![allow(unsafe_code)]

use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

use super::{Isa, Job};

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) fn avx512<J: Job>(job: J) -> J::Output {
    job.run::<true>()
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn avx2<J: Job>(job: J) -> J::Output {
    job.run::<true>()
}

pub(super) fn most() -> Isa {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        Isa::Portable
    } else if !(is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl"))
    {
        Isa::Avx2
    } else if !is_x86_feature_detected!("avx512bf16") {
        Isa::Avx512
    } else {
        Isa::Avx512Bf16
    }
}

/// Whether `VDPBF16PS` is faster than two multiplications in f32. The maker decides, since timings vary from run to run. On AMD it
/// takes as long as one multiplication. On Intel it was measured to take longer than two.
pub(super) fn multiplies_pairs_fast() -> bool {
    let maker = __cpuid(0);
    let name = [maker.ebx, maker.edx, maker.ecx].map(u32::to_le_bytes);
    matches!(name.as_flattened(), b"AuthenticAMD" | b"HygonGenuine")
}

/// Whether the processor has the eight tiles of 16 rows of 64 bytes that the kernel needs, and their bf16 products.
pub(crate) fn has_tiles() -> bool {
    const BF16_AND_TILES: u32 = 1 << 22 | 1 << 24;
    const TILES_OF_64_BYTES: u32 = 8 << 16 | 64;
    const ROWS: u32 = 16;

    if __cpuid(0).eax < 0x1d || __cpuid_count(7, 0).edx & BF16_AND_TILES != BF16_AND_TILES {
        return false;
    }
    let palette = __cpuid_count(0x1d, 1);
    palette.ebx == TILES_OF_64_BYTES && palette.ecx & 0xffff == ROWS
}

/// Whether a processor with tiles also multiplies tiles of bytes.
pub(crate) fn has_byte_tiles() -> bool {
    const BYTES: u32 = 1 << 25;

    __cpuid_count(7, 0).edx & BYTES != 0
}

/// Whether the system saves tiles when it switches between threads.
pub(crate) fn saves_tiles() -> bool {
    const TILE_STATE: u64 = 0b11 << 17;

    // AVX is reported only if the system enables it through this register.
    if !is_x86_feature_detected!("avx") {
        return false;
    }
    // SAFETY: a processor with AVX has the instruction.
    let enabled = unsafe { _xgetbv(0) };
    enabled & TILE_STATE == TILE_STATE
}

/// Requests the memory of a thread's tiles from Linux, once a process. Returns whether Linux allows it.
#[cfg(target_os = "linux")]
pub(crate) fn may_use_tiles() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const TILE_DATA: u64 = 18;

    let result: i64;
    // SAFETY: the call neither reads nor writes memory of this process.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn may_use_tiles() -> bool {
    false
}
