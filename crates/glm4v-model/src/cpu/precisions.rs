//! The precision of each product of a tower.

use glm4v_kernels::Precision;

/// Weights whose products have another precision in a tower of eight bits.
const IN_BF16: [&str; 1] = [
    // 0.2 % of the operations. Its rows are pixels: every later stage would see their error.
    "patch_embed.",
];

/// The precision of the products with the weight `key`, in a tower that computes in `tower`.
pub(crate) fn of_weight(key: &str, tower: Precision) -> Precision {
    match tower {
        Precision::F32 | Precision::Bf16 => tower,
        Precision::Int8 => match IN_BF16.iter().any(|prefix| key.starts_with(prefix)) {
            true => Precision::Bf16,
            false => Precision::Int8,
        },
    }
}

/// All precisions that weights of a tower have. The kernel for frames that are repeated is f32.
pub(crate) fn of_weights(tower: Precision) -> &'static [Precision] {
    match tower {
        Precision::F32 => &[Precision::F32],
        Precision::Bf16 => &[Precision::F32, Precision::Bf16],
        Precision::Int8 => &[Precision::F32, Precision::Bf16, Precision::Int8],
    }
}

/// The precision of attention. Its operands change with every image, and products of integers would not be faster.
pub(crate) fn of_attention(tower: Precision) -> Precision {
    match tower {
        Precision::F32 | Precision::Bf16 => tower,
        Precision::Int8 => Precision::Bf16,
    }
}
