use std::ops::Range;

use super::*;
use crate::format::Format;
use crate::testing::{distance, numbers, rounded, seen, widened};

/// Softmax of scores by loops in f64, head by head and segment by segment.
fn exact(attention: &Attention, qkv: &[f32], segments: &[usize]) -> Vec<f64> {
    let Attention {
        heads, head_dim, ..
    } = *attention;
    let hidden = heads * head_dim;
    let at = |third: usize, row: usize, head: usize| {
        qkv[row * 3 * hidden + third * hidden + head * head_dim..][..head_dim]
            .iter()
            .map(|&x| f64::from(x))
    };
    let mut out = Vec::new();
    let mut first = 0;
    for &length in segments {
        for row in first..first + length {
            for head in 0..heads {
                let scores: Vec<f64> = (first..first + length)
                    .map(|key| {
                        at(0, row, head)
                            .zip(at(1, key, head))
                            .map(|(q, k)| q * k)
                            .sum()
                    })
                    .map(|score: f64| score / (head_dim as f64).sqrt())
                    .collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights = scores.iter().map(|score| (score - largest).exp());
                let sum: f64 = weights.clone().sum();
                let mut output = vec![0.0; head_dim];
                for (key, weight) in (first..).zip(weights) {
                    for (output, value) in output.iter_mut().zip(at(2, key, head)) {
                        *output += weight / sum * value;
                    }
                }
                out.extend(output);
            }
        }
        first += length;
    }
    out
}

/// Packs keys and values in row blocks, and attends in other blocks.
fn attend<X: Element, Y: Element>(
    kernel: Kernel,
    attention: &Attention,
    qkv: &[X],
    segments: &[usize],
) -> Vec<Y> {
    let hidden = attention.heads * attention.head_dim;
    let rows: usize = segments.iter().sum();
    let third = |index: usize, rows: &Range<usize>| Heads {
        values: &qkv[rows.start * 3 * hidden + index * hidden..],
        stride: 3 * hidden,
    };
    let mut keys = Keys::new(kernel, *attention, segments);
    assert_eq!(Keys::bytes(&kernel, attention, segments), keys.num_bytes());
    for rows in keys.row_blocks(300) {
        keys.pack(rows.clone(), third(1, &rows), third(2, &rows));
    }
    let mut out = vec![Y::from_f32(f32::NAN); rows * hidden];
    for start in (0..rows).step_by(71) {
        let rows = start..rows.min(start + 71);
        let out = &mut out[rows.start * hidden..rows.end * hidden];
        keys.attend(rows.clone(), third(0, &rows), out);
    }
    out
}

/// heads, head_dim, segments
const CASES: [(usize, usize, &[usize]); 8] = [
    (1, 1, &[1]),
    (2, 24, &[5, 5, 5]),
    (3, 80, &[33]),
    (1, 128, &[193, 31]),
    (2, 128, &[200]),
    (2, 7, &[13, 1, 64]),
    (1, 40, &[385]),
    (4, 64, &[0, 144, 0]),
];

#[test]
fn attention_is_that_of_loops() {
    for (precision, kernel) in kernels() {
        for (heads, head_dim, segments) in CASES {
            let rows: usize = segments.iter().sum();
            // Larger numbers than usual, so that the softmax is far from even.
            let qkv: Vec<f32> = numbers(rows * 3 * heads * head_dim, 7)
                .iter()
                .map(|x| 3.0 * x)
                .collect();
            let attention = Attention {
                heads,
                head_dim,
                precision,
            };
            let found: Vec<f32> = attend(kernel, &attention, &qkv, segments);
            let error = distance(&found, &exact(&attention, &seen(kernel, &qkv), segments));
            // With pairs as keys and values, the weights have 8 bits too.
            let bound = match kernel.left() {
                Format::F32 => 1e-6,
                Format::Pairs => 3e-3,
                Format::Bytes(_) => unreachable!("attention multiplies floating-point numbers"),
            };
            assert!(
                error < bound,
                "{kernel:?} {heads}×{head_dim} {segments:?}: {error:e}"
            );
        }
    }
}

#[test]
fn rows_and_results_in_bf16_are_rounded_ones() {
    for (precision, kernel) in kernels() {
        for (heads, head_dim, segments) in CASES {
            let attention = Attention {
                heads,
                head_dim,
                precision,
            };
            let rows: usize = segments.iter().sum();
            let qkv = rounded(&numbers(rows * 3 * heads * head_dim, 8));
            let out: Vec<half::bf16> = attend(kernel, &attention, &qkv, segments);
            let found: Vec<f32> = attend(kernel, &attention, &widened(&qkv), segments);
            assert_eq!(
                out,
                rounded(&found),
                "{kernel:?} {heads}×{head_dim} {segments:?}"
            );
        }
    }
}

#[test]
fn packed_rows_are_queries_keys_and_values() {
    let attention = Attention {
        heads: 2,
        head_dim: 24,
        precision: Precision::F32,
    };
    let qkv = numbers(30 * 3 * 48, 9);
    let mut out = vec![f32::NAN; 30 * 48];
    attention.packed(&qkv, &[17, 13], &mut out);
    let kernel = Kernel::for_values(Precision::F32);
    assert_eq!(out, attend(kernel, &attention, &qkv, &[17, 13]));
}

#[test]
fn large_scores_neither_overflow_nor_vanish() {
    for (precision, kernel) in kernels() {
        let attention = Attention {
            heads: 1,
            head_dim: 8,
            precision,
        };
        let rows = 500;
        // Scores from −28,000 up to 28,000, the largest last: every block makes those before it vanish.
        let qkv: Vec<f32> = (0..rows)
            .flat_map(|row| {
                let key = (row as f32 - 250.0) * 40.0;
                [[1.0; 8], [key; 8], [row as f32; 8]].concat()
            })
            .collect();
        let out: Vec<f32> = attend(kernel, &attention, &qkv, &[rows]);
        let last = match kernel.left() {
            Format::F32 => 499.0,
            Format::Pairs => 500.0,
            Format::Bytes(_) => unreachable!("attention multiplies floating-point numbers"),
        };
        assert!(
            out.iter().all(|&x| (x - last).abs() < 4.0),
            "{kernel:?} {precision:?}: {:?}",
            &out[..8]
        );
    }
}

/// Every kernel that runs here, and its precision.
fn kernels() -> impl Iterator<Item = (Precision, Kernel)> {
    [Precision::F32, Precision::Bf16]
        .into_iter()
        .flat_map(|precision| {
            let kernels = Kernel::available_for_values(precision).into_iter();
            kernels.map(move |kernel| (precision, kernel))
        })
}

#[test]
#[should_panic(expected = "qkv of 5 values is not [1, 3·2]")]
fn lengths_are_checked() {
    let attention = Attention {
        heads: 1,
        head_dim: 2,
        precision: Precision::F32,
    };
    attention.packed(&[0.0_f32; 5], &[1], &mut [0.0_f32; 2]);
}

#[test]
fn row_blocks_are_whole_blocks() {
    let attention = Attention {
        heads: 2,
        head_dim: 16,
        precision: Precision::F32,
    };
    // Blocks of 192 and 108 rows, of 50, and of 192, 192 and 16.
    let row_blocks = attention.keys(&[300, 50, 400]).row_blocks(350);
    assert_eq!(row_blocks, [0..350, 350..542, 542..750]);
    // 24 rows are whole panels: a key and a value of 16 words each, and of values 16 become 24 lanes.
    assert_eq!(attention.packed_bytes(&[24]), 4 * 2 * (24 * 16 + 24 * 24));
    assert_eq!(attention.packed_bytes(&[]), 0);
}

#[test]
#[should_panic(expected = "rows 0..100 are not whole blocks")]
fn rows_are_packed_in_whole_blocks() {
    let attention = Attention {
        heads: 1,
        head_dim: 1,
        precision: Precision::F32,
    };
    let rows = Heads {
        values: &[0.0_f32; 200][..],
        stride: 1,
    };
    attention.keys(&[200]).pack(0..100, rows, rows);
}
