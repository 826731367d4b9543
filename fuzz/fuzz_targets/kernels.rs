//! The CPU kernels at odd shapes, beside plain loops in f64.
#![no_main]

use glm4v_kernels::{
    Activation, Attention, Element, LayerNorm, PackedGate, PackedWeight, Precision, RmsNorm, Rotary,
};
use half::bf16;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Case {
    what: u8,
    rows: u8,
    inputs: u16,
    outputs: u8,
    heads: u8,
    head_dim: u8,
    segments: [u8; 4],
    seed: u32,
    precision: u8,
    activation: u8,
    has_biases: bool,
    /// In sixteenths of a usual sum. 0 is none.
    limit: u8,
}

/// Relative L2 errors. Operands in bf16 have 8 bits; int8 rounds in groups.
const LIMITS: [f64; 3] = [3e-6, 1e-2, 4e-2];
const ACTIVATIONS: [Activation; 5] = [
    Activation::Silu,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::QuickGelu,
    Activation::Relu,
];
/// Multiplications of a product, so that a run is short.
const MOST_PRODUCTS: usize = 1 << 20;

fuzz_target!(|case: Case| {
    let precision = [Precision::F32, Precision::Bf16, Precision::Int8][case.precision as usize % 3];
    let limit = LIMITS[case.precision as usize % 3];
    match case.what % 5 {
        0 => products(case, precision, limit),
        1 => gates(case, precision, limit),
        2 => norms(case),
        3 => attention(case, precision, limit),
        _ => rotary(case),
    }
});

/// Rows, in-features and out-features.
fn sizes(case: Case) -> [usize; 3] {
    let (rows, inputs) = (case.rows as usize, 1 + case.inputs as usize % 700);
    let most = MOST_PRODUCTS / (rows.max(1) * inputs);
    [rows, inputs, (1 + case.outputs as usize).min(most.max(1))]
}

fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// `typical` is the size of a value in which little cancels out: few values may happen to be near 0.
fn check(found: &[f32], exact: &[f64], (limit, typical): (f64, f64), what: &str, case: Case) {
    assert_eq!(found.len(), exact.len());
    let error: f64 = found
        .iter()
        .zip(exact)
        .map(|(&f, e)| (f64::from(f) - e).powi(2))
        .sum();
    let size: f64 = exact.iter().map(|e| e * e).sum();
    let least = found.len() as f64 * typical * typical;
    let error = (error / size.max(least).max(f64::MIN_POSITIVE)).sqrt();
    assert!(
        error <= limit,
        "{what}: relative error {error:.1e}, limit {limit:.0e}: {case:?}"
    );
}

fn dots(x: &[f32], weight: &[f32], inputs: usize) -> Vec<f64> {
    let dot = |x: &[f32], w: &[f32]| -> f64 {
        x.iter()
            .zip(w)
            .map(|(&x, &w)| f64::from(x) * f64::from(w))
            .sum()
    };
    let rows = x.chunks_exact(inputs);
    rows.flat_map(|x| weight.chunks_exact(inputs).map(move |w| dot(x, w)))
        .collect()
}

fn products(case: Case, precision: Precision, limit: f64) {
    let [rows, inputs, outputs] = sizes(case);
    let x = numbers(rows * inputs, case.seed);
    let weight = numbers(outputs * inputs, case.seed ^ 1);
    let bias = numbers(outputs, case.seed ^ 2);
    let packed = PackedWeight::new(&weight, [outputs, inputs], precision).with_bias(&bias);
    let mut exact = dots(&x, &weight, inputs);
    for row in exact.chunks_exact_mut(outputs) {
        row.iter_mut()
            .zip(&bias)
            .for_each(|(sum, &bias)| *sum += f64::from(bias));
    }
    let mut out = vec![0.0; rows * outputs];
    packed.product(&x, &mut out);
    let typical = (inputs as f64).sqrt() / 3.0;
    check(&out, &exact, (limit, typical), "product", case);
    packed.add_product(&x, &mut out);
    let twice: Vec<f64> = exact.iter().map(|value| 2.0 * value).collect();
    check(&out, &twice, (limit, 2.0 * typical), "add_product", case);

    let first = case.seed as usize % outputs;
    let mut columns = vec![0.0; rows * (outputs - first)];
    packed.product_columns(&x, first..outputs, &mut columns);
    let mut whole = vec![0.0; rows * outputs];
    packed.product(&x, &mut whole);
    for (part, row) in columns
        .chunks_exact(outputs - first)
        .zip(whole.chunks_exact(outputs))
    {
        assert_eq!(part, &row[first..], "product_columns: {case:?}");
    }
}

fn gates(case: Case, precision: Precision, limit: f64) {
    let [rows, inputs, outputs] = sizes(case);
    let x = numbers(rows * inputs, case.seed);
    let activation = ACTIVATIONS[case.activation as usize % ACTIVATIONS.len()];
    let [gate, up] = [3, 4].map(|salt| numbers(outputs * inputs, case.seed ^ salt));
    let biases = [8, 9].map(|salt| match case.has_biases {
        true => numbers(outputs, case.seed ^ salt),
        false => vec![0.0; outputs],
    });
    let usual = (inputs as f64).sqrt() / 3.0;
    let clamp = match case.limit {
        0 => f64::INFINITY,
        limit => usual * f64::from(limit.max(8)) / 16.0,
    };
    let mut packed = PackedGate::new(&gate, &up, [outputs, inputs], precision, activation);
    if case.has_biases {
        packed = packed.with_biases([&biases[0], &biases[1]]);
    }
    packed = packed.with_limit(clamp as f32);
    let mut out = vec![0.0; rows * outputs];
    packed.product(&x, &mut out);
    let sums = |weight: &[f32], bias: &[f32]| {
        let sums = dots(&x, weight, inputs).into_iter();
        let biases = bias.iter().cycle();
        sums.zip(biases)
            .map(|(sum, &bias)| sum + f64::from(bias))
            .collect::<Vec<_>>()
    };
    let gates = sums(&gate, &biases[0]).into_iter();
    let mut gates: Vec<f32> = gates.map(|value| value.min(clamp) as f32).collect();
    activation.apply(&mut gates);
    let ups = sums(&up, &biases[1]).into_iter();
    let exact: Vec<f64> = gates
        .iter()
        .zip(ups)
        .map(|(&gate, up)| f64::from(gate) * up.clamp(-clamp, clamp))
        .collect();
    // The activation magnifies an error of its argument a little, and both factors have one.
    let typical = (usual * usual).min(clamp * clamp);
    check(&out, &exact, (8.0 * limit, typical), "gated product", case);
}

fn norms(case: Case) {
    let (rows, width) = (case.rows as usize % 40, 1 + case.inputs as usize % 1500);
    let x = numbers(rows * width, case.seed);
    let [weight, bias] = [5, 6].map(|salt| numbers(width, case.seed ^ salt));
    let rms = RmsNorm {
        weight: &weight,
        eps: 1e-5,
    };
    let mut out = vec![0.0; x.len()];
    rms.norm(&x, &mut out);
    let mut exact = Vec::new();
    let mut layer_exact = Vec::new();
    for row in x.chunks_exact(width) {
        let count = width as f64;
        let values = || row.iter().map(|&value| f64::from(value));
        let scale = (values().map(|value| value * value).sum::<f64>() / count + 1e-5).sqrt();
        exact.extend(
            values()
                .zip(&weight)
                .map(|(value, &weight)| value / scale * f64::from(weight)),
        );
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        let scale = (variance + 1e-5).sqrt();
        let scaled = values().map(|value| (value - mean) / scale);
        let scaled = scaled.zip(weight.iter().zip(&bias));
        layer_exact.extend(scaled.map(|(value, (&w, &b))| value * f64::from(w) + f64::from(b)));
    }
    check(&out, &exact, (1e-5, 0.3), "RMSNorm", case);
    let layer = LayerNorm {
        weight: &weight,
        bias: &bias,
        eps: 1e-5,
    };
    layer.norm(&x, &mut out);
    // The mean is subtracted from values that may be almost equal to it.
    check(&out, &layer_exact, (1e-4, 0.3), "LayerNorm", case);
    let halves: Vec<bf16> = x.iter().map(|&value| Element::from_f32(value)).collect();
    let mut rounded = vec![bf16::ZERO; x.len()];
    rms.norm(&halves, &mut rounded);
    let widened: Vec<f32> = rounded.iter().map(|value| value.to_f32()).collect();
    check(&widened, &exact, (1e-2, 0.3), "RMSNorm in bf16", case);
}

fn attention(case: Case, precision: Precision, limit: f64) {
    let attention = Attention {
        heads: 1 + case.heads as usize % 2,
        head_dim: 2 * (1 + case.head_dim as usize % 24),
        precision,
    };
    // One segment can have several blocks of keys.
    let [long, short @ ..] = case.segments.map(usize::from);
    let segments = [short[0] % 40, long, short[1] % 40, short[2] % 40];
    let (rows, hidden) = (
        segments.iter().sum::<usize>(),
        attention.heads * attention.head_dim,
    );
    let qkv = numbers(rows * 3 * hidden, case.seed);
    let mut out = vec![0.0; rows * hidden];
    attention.packed(&qkv, &segments, &mut out);
    let exact = plain_attention(&qkv, &segments, attention.heads, attention.head_dim);
    check(&out, &exact, (limit.max(1e-5), 0.1), "attention", case);
}

fn plain_attention(qkv: &[f32], segments: &[usize], heads: usize, head_dim: usize) -> Vec<f64> {
    let hidden = heads * head_dim;
    let value = |row: usize, part: usize, head: usize, place: usize| {
        f64::from(qkv[row * 3 * hidden + part * hidden + head * head_dim + place])
    };
    let mut out = vec![0.0; qkv.len() / 3];
    let mut first = 0;
    for &length in segments {
        for row in first..first + length {
            for head in 0..heads {
                let score = |key: usize| {
                    let products =
                        (0..head_dim).map(|d| value(row, 0, head, d) * value(key, 1, head, d));
                    (products.sum::<f64>() / (head_dim as f64).sqrt()).exp()
                };
                let scores: Vec<f64> = (first..first + length).map(score).collect();
                let sum: f64 = scores.iter().sum();
                for place in 0..head_dim {
                    let weighted = scores
                        .iter()
                        .zip(first..)
                        .map(|(score, key)| score * value(key, 2, head, place));
                    out[row * hidden + head * head_dim + place] = weighted.sum::<f64>() / sum;
                }
            }
        }
        first += length;
    }
    out
}

fn rotary(case: Case) {
    let (rows, heads) = (case.rows as usize, 1 + case.heads as usize % 4);
    let head_dim = 2 * (1 + case.head_dim as usize % 64);
    let half = head_dim / 2;
    let stride = heads * head_dim + case.outputs as usize;
    let angles = numbers(rows * half, case.seed);
    let [cos, sin] = [f32::cos, f32::sin].map(|function| {
        angles
            .iter()
            .map(|&angle| function(angle))
            .collect::<Vec<_>>()
    });
    let rotary = Rotary {
        cos: &cos,
        sin: &sin,
        head_dim,
    };
    let before = numbers(rows * stride, case.seed ^ 7);
    let mut after = before.clone();
    rotary.rotate(&mut after, stride, heads);
    let mut exact: Vec<f64> = before.iter().map(|&value| f64::from(value)).collect();
    for row in 0..rows {
        for head in 0..heads {
            for place in 0..half {
                let (a, b) = (row * stride + head * head_dim + place, row * half + place);
                let (x, y) = (f64::from(before[a]), f64::from(before[a + half]));
                let (cos, sin) = (f64::from(cos[b]), f64::from(sin[b]));
                (exact[a], exact[a + half]) = (x * cos - y * sin, y * cos + x * sin);
            }
        }
    }
    check(&after, &exact, (1e-5, 0.3), "rotary", case);
}
