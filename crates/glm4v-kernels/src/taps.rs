//! Interpolation in a table of rows.

use rayon::prelude::*;

use crate::isa::{Isa, Job, mul_add};

/// Values of a task. Smaller tasks cost more to start than to run.
const TASK_VALUES: usize = 16 << 10;

/// The table rows that each row reads, and their weights: both `[taps, rows]`.
#[derive(Clone, Copy, Debug)]
pub struct Taps<'a> {
    /// Rows of the table
    pub indices: &'a [i32],
    /// The factor of each
    pub weights: &'a [f32],
}

impl Taps<'_> {
    /// Adds to each row of `x` the weighted sum of the table rows that it reads.
    ///
    /// # Shapes
    /// - table: `[entries, width]`
    /// - x: `[rows, width]`
    ///
    /// # Panics
    /// If the taps have another number of rows, or an index is outside the table.
    pub fn add_to(&self, table: &[f32], width: usize, x: &mut [f32]) {
        self.add_for(Isa::detected(), table, width, x);
    }

    fn add_for(&self, isa: Isa, table: &[f32], width: usize, x: &mut [f32]) {
        if x.is_empty() {
            return;
        }
        let (rows, taps, weights) = (x.len() / width, self.indices.len(), self.weights.len());
        assert!(
            rows * width == x.len() && taps.is_multiple_of(rows) && taps == weights,
            "{taps} indices and {weights} weights are not of {rows} rows of {width}"
        );
        x.par_chunks_exact_mut(width)
            .with_min_len(TASK_VALUES.div_ceil(width))
            .enumerate()
            .for_each_init(
                || vec![0.0; width],
                |sum, (row, x)| {
                    let indices = self.indices[row..].iter().step_by(rows);
                    let weights = self.weights[row..].iter().step_by(rows);
                    sum.fill(0.0);
                    for (&index, &weight) in indices.zip(weights) {
                        let entry = &table[index as usize * width..][..width];
                        isa.run(AddScaled { sum, entry, weight });
                    }
                    isa.run(AddScaled {
                        sum: x,
                        entry: sum,
                        weight: 1.0,
                    });
                },
            );
    }
}

struct AddScaled<'a> {
    sum: &'a mut [f32],
    entry: &'a [f32],
    weight: f32,
}

impl Job for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (sum, entry) in self.sum.iter_mut().zip(self.entry) {
            *sum = mul_add::<FUSED>(*entry, self.weight, *sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numbers;

    #[test]
    fn rows_are_sums_of_entries() {
        let (rows, width, entries, taps) = (37, 70, 11, 5);
        let table = numbers(entries * width, 1);
        let before = numbers(rows * width, 2);
        let weights = numbers(taps * rows, 3);
        let indices: Vec<i32> = (0..taps * rows)
            .map(|tap| (tap * 7 % entries) as i32)
            .collect();
        for isa in Isa::available() {
            let mut x = before.clone();
            let taps = Taps {
                indices: &indices,
                weights: &weights,
            };
            taps.add_for(isa, &table, width, &mut x);
            for (place, found) in x.into_iter().enumerate() {
                let (row, column) = (place / width, place % width);
                let read = (row..indices.len()).step_by(rows);
                let read =
                    read.map(|tap| weights[tap] * table[indices[tap] as usize * width + column]);
                let expected = before[place] + read.sum::<f32>();
                assert!((found - expected).abs() < 1e-6, "{isa} {row}, {column}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "3 indices and 3 weights are not of 2 rows of 4")]
    fn lengths_are_checked() {
        let taps = Taps {
            indices: &[0; 3],
            weights: &[0.0; 3],
        };
        taps.add_to(&[0.0; 4], 4, &mut [0.0; 8]);
    }
}
