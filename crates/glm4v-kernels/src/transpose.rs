//! Transposes blocks of words, in squares of four. Without the squares, the compiler gathers the words one by one, which takes a
//! tenth of the time of a small product.

/// Words of a lane in a block.
pub(crate) const STEPS: usize = 16;

/// panel\[step]\[lane] = block\[lane]\[step], for all steps of the panel.
#[inline(always)]
pub(crate) fn transpose<const LANES: usize>(
    block: &[[u32; STEPS]; LANES],
    panel: &mut [[u32; LANES]],
) {
    assert!(LANES.is_multiple_of(4) && panel.len() <= STEPS);
    let (squares, rest) = panel.as_chunks_mut::<4>();
    for (index, square) in squares.iter_mut().enumerate() {
        for lane in (0..LANES).step_by(4) {
            let rows = std::array::from_fn(|row| words(&block[lane + row], 4 * index));
            for (target, words) in square.iter_mut().zip(transpose_square(rows)) {
                target[lane..lane + 4].copy_from_slice(&words);
            }
        }
    }
    let first = STEPS.min(4 * squares.len());
    for (target, step) in rest.iter_mut().zip(first..) {
        for (target, lane) in target.iter_mut().zip(block) {
            *target = lane[step];
        }
    }
}

#[inline(always)]
fn words(lane: &[u32; STEPS], first: usize) -> [u32; 4] {
    *lane[first..].first_chunk().expect("whole squares")
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[inline(always)]
fn transpose_square(rows: [[u32; 4]; 4]) -> [[u32; 4]; 4] {
    use std::arch::x86_64::*;

    // SAFETY: every x86-64 processor has SSE2. Four words have the size of a vector, and every bit pattern of either is valid.
    unsafe {
        let [a, b, c, d]: [__m128i; 4] = std::mem::transmute(rows);
        let [ab, cd] = [_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d)];
        let [ab_upper, cd_upper] = [_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d)];
        std::mem::transmute([
            _mm_unpacklo_epi64(ab, cd),
            _mm_unpackhi_epi64(ab, cd),
            _mm_unpacklo_epi64(ab_upper, cd_upper),
            _mm_unpackhi_epi64(ab_upper, cd_upper),
        ])
    }
}

#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
#[inline(always)]
fn transpose_square(rows: [[u32; 4]; 4]) -> [[u32; 4]; 4] {
    use std::arch::aarch64::*;

    // SAFETY: std needs a processor with NEON. Four words have the size of a vector, and every bit pattern of either is valid.
    unsafe {
        let [a, b, c, d]: [uint32x4_t; 4] = std::mem::transmute(rows);
        let [ac, bd] = [vzip1q_u32(a, c), vzip1q_u32(b, d)];
        let [ac_upper, bd_upper] = [vzip2q_u32(a, c), vzip2q_u32(b, d)];
        std::mem::transmute([
            vzip1q_u32(ac, bd),
            vzip2q_u32(ac, bd),
            vzip1q_u32(ac_upper, bd_upper),
            vzip2q_u32(ac_upper, bd_upper),
        ])
    }
}

#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
#[inline(always)]
fn transpose_square(rows: [[u32; 4]; 4]) -> [[u32; 4]; 4] {
    std::array::from_fn(|step| rows.map(|row| row[step]))
}
