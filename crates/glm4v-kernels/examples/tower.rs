//! What the kernels would take for GLM-4.1V's whole tower: its blocks and merger in order, with weights that mean nothing.
//! `tower [ROWS] [ROUNDS]`, of which ROWS patches are one picture.

use std::time::Instant;

use glm4v_kernels::{
    Activation, Attention, Element, Isa, LayerNorm, PackedGate, PackedWeight, Precision, RmsNorm,
    Rotary,
};
use half::bf16;

const DEPTH: usize = 24;
const HIDDEN: usize = 1536;
const HEADS: usize = 12;
const HEAD_DIM: usize = HIDDEN / HEADS;
const OUT: usize = 4096;
const MERGER: usize = 13696;
const PATCH: usize = 1176;
const MERGE: usize = 4;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        let argument = arguments.next();
        argument.map_or(default, |argument| argument.parse().expect("a number"))
    };
    let (rows, rounds) = (number(576), number(3));
    println!(
        "{}, {} threads",
        Isa::detected(),
        rayon::current_num_threads()
    );
    measure::<f32>("f32", Precision::F32, rows, rounds);
    measure::<bf16>("bf16", Precision::Bf16, rows, rounds);
}

fn measure<X: Element>(name: &str, precision: Precision, rows: usize, rounds: usize) {
    let tower = Tower::new(precision);
    for _ in 0..rounds {
        let start = Instant::now();
        let output = tower.run::<X>(rows);
        let seconds = start.elapsed().as_secs_f64();
        assert!(output.iter().all(|x| x.to_f32().is_finite()));
        println!("{name}: {seconds:.3} s");
    }
}

/// One block's weights stand for all 24: they are larger than the caches, so that each is read from memory all the same.
struct Tower {
    precision: Precision,
    patch_embed: PackedWeight,
    qkv: PackedWeight,
    proj: PackedWeight,
    gate: PackedGate,
    down: PackedWeight,
    downsample: PackedWeight,
    merger_proj: PackedWeight,
    merger_gate: PackedGate,
    merger_down: PackedWeight,
    ones: Vec<f32>,
    zeros: Vec<f32>,
}

impl Tower {
    fn new(precision: Precision) -> Self {
        let weight = |outer: usize, inner: usize| {
            let values = numbers::<bf16>(outer * inner, (inner as f32).sqrt().recip());
            PackedWeight::new(&values, None, [outer, inner], precision)
        };
        let gate = |outer: usize, inner: usize| {
            let values = numbers::<bf16>(outer * inner, (inner as f32).sqrt().recip());
            let shape = [outer, inner];
            PackedGate::new(&values, &values, None, shape, precision, Activation::Silu)
        };
        Self {
            precision,
            patch_embed: weight(HIDDEN, PATCH),
            qkv: weight(3 * HIDDEN, HIDDEN),
            proj: weight(HIDDEN, HIDDEN),
            gate: gate(OUT, HIDDEN),
            down: weight(HIDDEN, OUT),
            downsample: weight(OUT, MERGE * HIDDEN),
            merger_proj: weight(OUT, OUT),
            merger_gate: gate(MERGER, OUT),
            merger_down: weight(OUT, MERGER),
            ones: vec![1.0; OUT],
            zeros: vec![0.0; OUT],
        }
    }

    fn run<X: Element>(&self, rows: usize) -> Vec<X> {
        let x: Vec<X> = numbers(rows * PATCH, 1.0);
        let norm = RmsNorm {
            weight: &self.ones[..HIDDEN],
            eps: 1e-5,
        };
        let mut x = product(&self.patch_embed, &x, rows);
        let mut branch = vec![X::default(); rows * HIDDEN];
        for _ in 0..DEPTH {
            branch = self.attention(&norm, &mut x, &branch, rows);
            branch = self.mlp(&norm, &mut x, &branch, rows);
        }
        let mut normed = vec![X::default(); rows * HIDDEN];
        norm.add_norm(&mut x, &branch, &mut normed);
        let tokens = rows / MERGE;
        let x = product(&self.downsample, &normed, tokens);
        self.merger(&x, tokens)
    }

    fn attention<X: Element>(
        &self,
        norm: &RmsNorm<'_>,
        x: &mut [X],
        branch: &[X],
        rows: usize,
    ) -> Vec<X> {
        let mut normed = vec![X::default(); rows * HIDDEN];
        norm.add_norm(x, branch, &mut normed);
        let mut qkv = product(&self.qkv, &normed, rows);
        let half = rows * HEAD_DIM / 2;
        let rotary = Rotary {
            cos: &vec![0.8; half],
            sin: &vec![0.6; half],
            head_dim: HEAD_DIM,
        };
        rotary.rotate(&mut qkv, 3 * HIDDEN, 2 * HEADS);
        let attention = Attention {
            heads: HEADS,
            head_dim: HEAD_DIM,
            precision: self.precision,
        };
        attention.packed(&qkv, &[rows], &mut normed);
        product(&self.proj, &normed, rows)
    }

    fn mlp<X: Element>(
        &self,
        norm: &RmsNorm<'_>,
        x: &mut [X],
        branch: &[X],
        rows: usize,
    ) -> Vec<X> {
        let mut normed = vec![X::default(); rows * HIDDEN];
        norm.add_norm(x, branch, &mut normed);
        let mut gated = vec![X::default(); rows * OUT];
        self.gate.product(&normed, &mut gated);
        product(&self.down, &gated, rows)
    }

    fn merger<X: Element>(&self, x: &[X], tokens: usize) -> Vec<X> {
        let projected = product(&self.merger_proj, x, tokens);
        let norm = LayerNorm {
            weight: &self.ones,
            bias: &self.zeros,
            eps: 1e-5,
        };
        let mut normed = vec![X::default(); tokens * OUT];
        norm.norm(&projected, &mut normed);
        Activation::Gelu.apply(&mut normed);
        let mut gated = vec![X::default(); tokens * MERGER];
        self.merger_gate.product(&normed, &mut gated);
        product(&self.merger_down, &gated, tokens)
    }
}

fn product<X: Element>(weight: &PackedWeight, x: &[X], rows: usize) -> Vec<X> {
    let mut out = vec![X::default(); rows * weight.outer()];
    weight.product(x, &mut out);
    out
}

/// Numbers from −`size` to `size`, of which no two neighbours are alike.
fn numbers<X: Element>(count: usize, size: f32) -> Vec<X> {
    let number = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) % 2048;
    (0..count)
        .map(|i| X::from_f32((number(i) as f32 / 1024.0 - 1.0) * size))
        .collect()
}
