//! How fast the kernels are on this machine: `bench [ROUNDS]` measures the shapes of GLM-4.1V's tower on one photo of
//! 336×336, `bench ROUNDS -` the cases that it reads line by line, so that another program can take turns with it.
//!
//! A case is `product ROWS INNER OUTER`, `gated ROWS INNER OUTER`, `attention ROWS HEADS HEAD_DIM`, `add_norm ROWS WIDTH` or
//! `rotary ROWS HEADS HEAD_DIM`. A line of the output has the case, and for each of f32 and bf16, and for products in the
//! crates gemm and matrixmultiply, the least time and the median in milliseconds, and GFLOP/s in the least time.

use std::hint::black_box;
use std::io::stdin;
use std::time::Instant;

use glm4v_kernels::{
    Activation, Attention, Element, Isa, PackedGate, PackedWeight, Precision, RmsNorm, Rotary,
};
use half::bf16;

const CASES: &str = "\
product 576 1536 4608
product 576 1536 1536
product 576 1536 8192
product 576 4096 1536
product 144 6144 4096
product 144 4096 13696
product 144 13696 4096
product 576 1176 1536
product 5184 1536 4608
product 5184 1536 1536
product 5184 1536 8192
product 5184 4096 1536
product 1296 6144 4096
product 1296 4096 13696
product 1296 13696 4096
product 5184 1176 1536
gated 576 1536 4096
gated 144 4096 13696
attention 576 12 128
attention 5184 12 128
add_norm 576 1536
rotary 576 24 128";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(9, |rounds| {
        rounds.parse().expect("the number of rounds is a number")
    });
    println!(
        "{}, {} threads, {:.2} GHz",
        Isa::detected(),
        rayon::current_num_threads(),
        gigahertz()
    );
    if arguments.next().is_some() {
        for line in stdin().lines() {
            measure(&line.expect("a line"), rounds);
        }
    } else {
        CASES.lines().for_each(|case| measure(case, rounds));
    }
}

fn measure(case: &str, rounds: usize) {
    let mut words = case.split_whitespace();
    let kernel = words.next().unwrap_or_default();
    let sizes: Vec<usize> = words
        .map(|word| word.parse().expect("sizes are numbers"))
        .collect();
    let rounds = Rounds(rounds);
    print!("{case}");
    match (kernel, sizes.as_slice()) {
        ("product", &[rows, inner, outer]) => product(rounds, rows, inner, outer),
        ("gated", &[rows, inner, outer]) => {
            gated::<f32>(rounds, Precision::F32, rows, inner, outer);
            gated::<bf16>(rounds, Precision::Bf16, rows, inner, outer);
        }
        ("attention", &[rows, heads, head_dim]) => {
            attention::<f32>(rounds, Precision::F32, rows, heads, head_dim);
            attention::<bf16>(rounds, Precision::Bf16, rows, heads, head_dim);
        }
        ("add_norm", &[rows, width]) => {
            add_norm::<f32>(rounds, rows, width);
            add_norm::<bf16>(rounds, rows, width);
        }
        ("rotary", &[rows, heads, head_dim]) => {
            rotary::<f32>(rounds, rows, heads, head_dim);
            rotary::<bf16>(rounds, rows, heads, head_dim);
        }
        _ => panic!("no such case: {case}"),
    }
    println!();
}

#[derive(Clone, Copy)]
struct Rounds(usize);

impl Rounds {
    fn time(self, name: &str, flop: f64, mut run: impl FnMut()) {
        run();
        let mut seconds: Vec<f64> = (0..self.0)
            .map(|_| {
                let start = Instant::now();
                run();
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        let (least, median) = (seconds[0], seconds[seconds.len() / 2]);
        print!(
            " | {name} {:.3} {:.3} {:.0}",
            least * 1e3,
            median * 1e3,
            flop / least / 1e9
        );
    }
}

fn product(rounds: Rounds, rows: usize, inner: usize, outer: usize) {
    let flop = 2.0 * (rows * inner * outer) as f64;
    let x: Vec<f32> = numbers(rows * inner);
    let weight: Vec<f32> = numbers(outer * inner);
    let mut out = vec![0.0_f32; rows * outer];
    let packed = PackedWeight::new(&weight, None, [outer, inner], Precision::F32);
    rounds.time("f32", flop, || packed.product(&x, &mut out));
    let packed = PackedWeight::new(&weight, None, [outer, inner], Precision::Bf16);
    let x16: Vec<bf16> = numbers(rows * inner);
    let mut out16 = vec![bf16::ZERO; rows * outer];
    rounds.time("bf16", flop, || packed.product(&x16, &mut out16));
    rounds.time("gemm", flop, || {
        gemm_crate(&x, &weight, &mut out, [rows, inner, outer]);
    });
    rounds.time("matrixmultiply", flop, || {
        matrixmultiply_crate(&x, &weight, &mut out, [rows, inner, outer]);
    });
}

fn gated<X: Element>(
    rounds: Rounds,
    precision: Precision,
    rows: usize,
    inner: usize,
    outer: usize,
) {
    let [gate, up] = [(); 2].map(|()| numbers::<f32>(outer * inner));
    let packed = PackedGate::new(
        &gate,
        &up,
        None,
        [outer, inner],
        precision,
        Activation::Silu,
    );
    let x: Vec<X> = numbers(rows * inner);
    let mut out = vec![X::default(); rows * outer];
    let flop = 4.0 * (rows * inner * outer) as f64;
    rounds.time(name::<X>(), flop, || packed.product(&x, &mut out));
}

fn attention<X: Element>(
    rounds: Rounds,
    precision: Precision,
    rows: usize,
    heads: usize,
    head_dim: usize,
) {
    let attention = Attention {
        heads,
        head_dim,
        precision,
    };
    let qkv: Vec<X> = numbers(rows * 3 * heads * head_dim);
    let mut out = vec![X::default(); rows * heads * head_dim];
    let flop = 4.0 * (rows * rows * heads * head_dim) as f64;
    rounds.time(name::<X>(), flop, || {
        attention.packed(&qkv, &[rows], &mut out);
    });
}

fn add_norm<X: Element>(rounds: Rounds, rows: usize, width: usize) {
    let weight: Vec<f32> = numbers(width);
    let norm = RmsNorm {
        weight: &weight,
        eps: 1e-5,
    };
    let mut x: Vec<X> = numbers(rows * width);
    let y = vec![X::default(); rows * width];
    let mut out = y.clone();
    let flop = 5.0 * (rows * width) as f64;
    rounds.time(name::<X>(), flop, || norm.add_norm(&mut x, &y, &mut out));
}

fn rotary<X: Element>(rounds: Rounds, rows: usize, heads: usize, head_dim: usize) {
    let half = rows * head_dim / 2;
    let (cos, sin) = (vec![0.6; half], vec![0.8; half]);
    let rotary = Rotary {
        cos: &cos,
        sin: &sin,
        head_dim,
    };
    let mut x: Vec<X> = numbers(rows * heads * head_dim);
    let flop = 3.0 * x.len() as f64;
    rounds.time(name::<X>(), flop, || {
        rotary.rotate(&mut x, heads * head_dim, heads);
    });
}

fn name<X>() -> &'static str {
    if size_of::<X>() == 2 { "bf16" } else { "f32" }
}

/// Numbers of which no two neighbours are alike, since some processors are faster on zeros.
fn numbers<X: Element>(count: usize) -> Vec<X> {
    let number = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) % 2048;
    (0..count)
        .map(|i| X::from_f32(number(i) as f32 / 1024.0 - 1.0))
        .collect()
}

/// The clock, by a chain of multiplications of three cycles each (so on every x86-64 and most others).
fn gigahertz() -> f64 {
    const CHAIN: u32 = 100_000_000;
    let start = Instant::now();
    let mut x = black_box(3_u64);
    for _ in 0..CHAIN {
        // Squares, and a cycle more for the other bits: a chain that the compiler cannot shorten.
        x = x.wrapping_mul(x) ^ 5;
    }
    black_box(x);
    4.0 * f64::from(CHAIN) / start.elapsed().as_secs_f64() / 1e9
}

fn gemm_crate(x: &[f32], weight: &[f32], out: &mut [f32], [rows, inner, outer]: [usize; 3]) {
    #[allow(unsafe_code)]
    // SAFETY: the strides are those of the slices, whose sizes `product` has chosen.
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
            weight.as_ptr(),
            inner as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}

fn matrixmultiply_crate(
    x: &[f32],
    weight: &[f32],
    out: &mut [f32],
    [rows, inner, outer]: [usize; 3],
) {
    #[allow(unsafe_code)]
    // SAFETY: as above.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            inner,
            outer,
            1.0,
            x.as_ptr(),
            inner as isize,
            1,
            weight.as_ptr(),
            1,
            inner as isize,
            0.0,
            out.as_mut_ptr(),
            outer as isize,
            1,
        );
    }
}
