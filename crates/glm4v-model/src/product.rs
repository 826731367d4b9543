//! Products of f32 on devices that would round their factors.
//!
//! burn multiplies f32 on the tensor cores of NVIDIA's GPUs in TF32, whose factors have 11 significant bits instead of 24. The
//! error of the embeddings is then a thousandth. So each factor is split into two values that TF32 holds, and three products
//! of these are added. This is Ootomo and Yokota's method (arXiv:2203.03341).

use burn::tensor::{DType, Device, Tensor};

/// 2¹³ + 1: the upper part of a split value has 24 − 13 significant bits.
const SPLITTER: f64 = 8193.0;

/// x·y. In f32 it is as exact as f32 allows on every device.
pub(crate) fn matmul<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 && multiplies_in_tf32(&x.device()) {
        matmul_in_parts(x, y)
    } else {
        x.matmul(y)
    }
}

/// Whether burn rounds the factors of f32 products on this device to TF32.
fn multiplies_in_tf32(device: &Device) -> bool {
    #[cfg(feature = "cuda")]
    {
        // Kernels for CUDA are compiled for `ptx_sm90` and the like.
        let identity = device.identity();
        identity.is_some_and(|identity| identity.fingerprint.starts_with("ptx"))
    }
    #[cfg(not(feature = "cuda"))]
    {
        let _ = device;
        false
    }
}

fn matmul_in_parts<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    let [[x, x_rest], [y, y_rest]] = [split(x), split(y)];
    // The product of both rests is too small to count.
    x_rest.matmul(y.clone()) + x.clone().matmul(y_rest) + x.matmul(y)
}

/// Two values with at most 11 and 12 significant bits that add up to each value (Veltkamp's splitting).
fn split<const D: usize>(x: Tensor<D>) -> [Tensor<D>; 2] {
    let largest = f64::from(f32::MAX);
    // Between the limits, the multiplication cannot be fused with the subtraction, which would undo the rounding.
    let scaled = (x.clone() * SPLITTER).clamp(-largest, largest);
    let upper = scaled.clone() - (scaled - x.clone());
    [upper.clone(), x - upper]
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    /// Rounded to 11 significant bits, as TF32 does.
    fn rounded(value: f32) -> f32 {
        let bits = value.to_bits();
        f32::from_bits((bits + 0xfff + (bits >> 13 & 1)) & !0x1fff)
    }

    fn values<const D: usize>(x: &Tensor<D>) -> Vec<f32> {
        x.to_data().iter().collect()
    }

    #[test]
    fn the_upper_part_is_exact_in_tf32_and_the_rest_almost() {
        let x = Tensor::<1>::random([1000], Distribution::Normal(0.0, 3.0), &Device::flex());
        let [upper, rest] = split(x.clone()).map(|part| values(&part));
        for ((x, upper), rest) in values(&x).into_iter().zip(upper).zip(rest) {
            assert_eq!(rounded(upper), upper, "{x}");
            assert_eq!(upper + rest, x);
            let lost = (rest - rounded(rest)).abs();
            assert!(lost <= x.abs() / (1 << 23) as f32, "{x}: {lost}");
        }
    }

    #[test]
    fn very_large_and_very_small_values_are_split_too() {
        for x in [3e38, -3e38, 1e-30, 0.0] {
            let [upper, rest] = split(Tensor::<1>::from_floats([x], &Device::flex()));
            assert_eq!(values(&upper)[0] + values(&rest)[0], x);
        }
    }

    #[test]
    fn the_parts_make_the_whole_product() {
        let device = Device::flex();
        let random = |shape| Tensor::<2>::random(shape, Distribution::Default, &device);
        let (x, y) = (random([5, 300]), random([300, 7]));
        let whole = values(&x.clone().matmul(y.clone()));
        for (found, expected) in values(&matmul_in_parts(x, y)).into_iter().zip(whole) {
            // Sums near 75 are 8e-6 apart in f32. TF32 would be wrong by 1e-2.
            assert!((found - expected).abs() < 1e-4, "{found}, {expected}");
        }
    }
}
