//! Speed of the products.
use glm4v_kernels::{Isa, PackedWeight, Precision};
use half::bf16;
use std::time::Instant;

const SHAPES: [[usize; 3]; 8] = [
    [576, 1536, 4608],
    [576, 1536, 1536],
    [576, 1536, 8192],
    [576, 4096, 1536],
    [144, 6144, 4096],
    [144, 4096, 13696],
    [144, 13696, 4096],
    [576, 1176, 1536],
];

fn time(mut run: impl FnMut()) -> f64 {
    run();
    (0..9)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    println!("{}", Isa::detected());
    for [rows, inner, outer] in SHAPES {
        let x: Vec<f32> = (0..rows * inner)
            .map(|i| (i % 17) as f32 / 16.0 - 0.5)
            .collect();
        let w: Vec<f32> = (0..outer * inner)
            .map(|i| (i % 19) as f32 / 16.0 - 0.5)
            .collect();
        let mut out = vec![0f32; rows * outer];
        let flop = 2.0 * (rows * inner * outer) as f64 / 1e9;
        let f32_weight = PackedWeight::new(&w, None, [outer, inner], Precision::F32);
        let ours = time(|| f32_weight.product(&x, &mut out));
        drop(f32_weight);
        let weight = PackedWeight::new(&w, None, [outer, inner], Precision::Bf16);
        let xb: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x)).collect();
        let mut outb = vec![bf16::ZERO; rows * outer];
        let ours_bf16 = time(|| weight.product(&xb, &mut outb));
        let theirs = time(|| {
            #[allow(unsafe_code)]
            // SAFETY: the strides are those of the slices.
            unsafe {
                gemm::gemm(
                    rows,
                    outer,
                    inner,
                    out.as_mut_ptr(),
                    1,
                    outer as isize,
                    false,
                    x.as_ptr(),
                    1,
                    inner as isize,
                    w.as_ptr(),
                    inner as isize,
                    1,
                    0f32,
                    1f32,
                    false,
                    false,
                    false,
                    gemm::Parallelism::Rayon(0),
                );
            }
        });
        println!(
            "{rows}x{inner}x{outer}: f32 {:.0} bf16 {:.0} gemm {:.0}",
            flop / ours,
            flop / ours_bf16,
            flop / theirs
        );
    }
}
