//! Rotary embedding of queries and keys.

use crate::element::Element;
use crate::isa::{Isa, Job, mul_add};
use crate::norm::each_row;

/// Cosine and sine of the angles by which rows rotate. Both halves of a head have the same angles.
#[derive(Clone, Copy, Debug)]
pub struct Rotary<'a> {
    /// `[rows, head_dim / 2]`
    pub cos: &'a [f32],
    /// `[rows, head_dim / 2]`
    pub sin: &'a [f32],
    /// Values of one head
    pub head_dim: usize,
}

impl Rotary<'_> {
    /// Rotates the first `heads` heads of every row in place: the first half of a head against its second half. Results are
    /// rounded once. Queries and keys side by side count as 2·heads heads.
    ///
    /// # Shapes
    /// - rows: rows that begin `stride` values apart; the last one may end after its heads
    ///
    /// # Panics
    /// If a row is shorter than its heads, or the tables have another number of rows.
    pub fn rotate<X: Element>(&self, rows: &mut [X], stride: usize, heads: usize) {
        self.rotate_for(Isa::detected(), rows, stride, heads);
    }

    fn rotate_for<X: Element>(&self, isa: Isa, rows: &mut [X], stride: usize, heads: usize) {
        let Self { cos, sin, head_dim } = *self;
        let half = head_dim / 2;
        let count = rows.len().div_ceil(stride.max(1));
        assert!(
            head_dim.is_multiple_of(2) && cos.len() == count * half && sin.len() == count * half,
            "{} cosines and {} sines are not of {count} rows with heads of {head_dim}",
            cos.len(),
            sin.len()
        );
        each_row(rows, stride, heads * head_dim, |index, row| {
            let angles = index * half..(index + 1) * half;
            isa.run(Rotate {
                row,
                cos: &cos[angles.clone()],
                sin: &sin[angles],
            });
        });
    }
}

struct Rotate<'a, X> {
    row: &'a mut [X],
    cos: &'a [f32],
    sin: &'a [f32],
}

impl<X: Element> Job for Rotate<'_, X> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let half = self.cos.len();
        for head in self.row.chunks_exact_mut(2 * half) {
            let (first, second) = head.split_at_mut(half);
            let values = first.iter_mut().zip(second);
            for ((first, second), (cos, sin)) in values.zip(self.cos.iter().zip(self.sin)) {
                let (x, y) = (first.to_f32(), second.to_f32());
                *first = X::from_f32(mul_add::<FUSED>(x, *cos, -(y * sin)));
                *second = X::from_f32(mul_add::<FUSED>(y, *cos, x * sin));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{numbers, rounded};

    #[test]
    fn halves_rotate_and_other_values_stay() {
        for isa in Isa::available() {
            for (rows, heads, head_dim, stride) in [
                (1, 1, 2, 2),
                (5, 3, 24, 100),
                (9, 2, 80, 160),
                (4, 4, 128, 1000),
            ] {
                let half = head_dim / 2;
                let [cos, sin] = [1, 2].map(|seed| numbers(rows * half, seed));
                let mut x = numbers((rows - 1) * stride + heads * head_dim, 3);
                let before = x.clone();
                let rotary = Rotary {
                    cos: &cos,
                    sin: &sin,
                    head_dim,
                };
                rotary.rotate_for(isa, &mut x, stride, heads);
                for (index, &found) in x.iter().enumerate() {
                    let (row, column) = (index / stride, index % stride);
                    let lane = column % head_dim;
                    let expected = if column >= heads * head_dim {
                        before[index]
                    } else {
                        let angle = row * half + lane % half;
                        let rotated = if lane < half {
                            -before[index + half]
                        } else {
                            before[index - half]
                        };
                        before[index] * cos[angle] + rotated * sin[angle]
                    };
                    assert!((found - expected).abs() < 2e-7, "{isa} {row}, {column}");
                }

                let mut of_rounded = rounded(&before);
                rotary.rotate_for(isa, &mut of_rounded, stride, heads);
                for (found, exact) in of_rounded.iter().zip(&x) {
                    assert!((found.to_f32() - exact).abs() < 0.02, "{isa}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "2 cosines and 1 sines are not of 2 rows with heads of 2")]
    fn lengths_are_checked() {
        let rotary = Rotary {
            cos: &[1.0; 2],
            sin: &[0.0; 1],
            head_dim: 2,
        };
        rotary.rotate(&mut [0.0_f32; 4], 2, 1);
    }
}
