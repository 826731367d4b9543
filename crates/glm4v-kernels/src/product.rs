//! Multiplies rows with packed panels, in blocks that fit the caches, on all cores.

use std::ops::Range;

use rayon::prelude::*;

use crate::buffer::with_words;
use crate::element::Element;
use crate::panels::Panels;
use crate::tile::{COLUMNS, Kernel};

/// Column panels of a task, at most.
const TASK_COLUMNS: usize = 8;
/// Tasks per thread. Several even out the load of unequally busy cores.
const TASKS_PER_THREAD: usize = 4;
/// Words of the left operand that are packed at a time: 8 MiB, which fit the last-level cache beside the weights in use.
pub(crate) const LEFT_WORDS: usize = 2 << 20;

/// The sums of a task: the tiles of a range of row panels and a range of column panels.
pub(crate) struct Sums<'a> {
    /// Rows of the whole left operand
    pub(crate) rows: Range<usize>,
    /// Column panels
    pub(crate) panels: Range<usize>,
    /// Rows of whole row panels
    padded_rows: usize,
    /// `[column panel][row]`
    tiles: &'a [[f32; COLUMNS]],
}

impl Sums<'_> {
    /// The 32 sums of row `row` and column panel `panel`, with the bias added.
    #[inline(always)]
    pub(crate) fn biased(&self, row: usize, panel: usize, bias: Option<&[f32]>) -> [f32; COLUMNS] {
        let first = (panel - self.panels.start) * self.padded_rows;
        let mut values = self.tiles[first + row - self.rows.start];
        if let Some(bias) = bias {
            for (value, bias) in values.iter_mut().zip(&bias[panel * COLUMNS..]) {
                *value += bias;
            }
        }
        values
    }
}

/// Multiplies the `rows` rows of `x` with the panels `columns` of `right`. `finish` receives every sum once, a task's at a time.
pub(crate) fn multiply<X: Element>(
    x: &[X],
    rows: usize,
    right: &Panels,
    columns: Range<usize>,
    finish: impl Fn(&Sums<'_>) + Sync,
) {
    let kernel = &right.kernel;
    let row_words = kernel.left().words(right.in_features).max(1);
    let row_panels = (LEFT_WORDS / row_words / kernel.rows())
        .max(1)
        .next_multiple_of(kernel.task_panels());
    for first in (0..rows).step_by(row_panels * kernel.rows()) {
        let rows = first..rows.min(first + row_panels * kernel.rows());
        let words = rows.len().next_multiple_of(kernel.rows()) * row_words;
        with_words(words, |left| {
            pack_left(x, rows.clone(), right, left.as_mut_slice());
            multiply_packed(left.as_slice(), rows, right, &columns, &finish);
        });
    }
}

/// The number of rows of an input and an output, each `[values, values of a row]`.
///
/// # Panics
/// If they do not have the same whole number of rows.
pub(crate) fn rows([input, in_features]: [usize; 2], [output, out_features]: [usize; 2]) -> usize {
    let rows = output.checked_div(out_features).unwrap_or(0);
    assert!(
        rows * out_features == output && rows * in_features == input,
        "an input of {input} values and an output of {output} are not [rows, {in_features}] and \
         [rows, {out_features}]"
    );
    rows
}

/// Packs the left operand as `[k_block][panel]`.
fn pack_left<X: Element>(x: &[X], rows: Range<usize>, right: &Panels, mut left: &mut [u32]) {
    let (in_features, kernel) = (right.in_features, &right.kernel);
    let panels = rows.len().div_ceil(kernel.rows());
    for block in kernel.k_blocks(in_features) {
        let panel_words = panel_words(kernel, block.len());
        let (of_block, after) = left.split_at_mut(panels * panel_words);
        left = after;
        of_block
            .par_chunks_exact_mut(panel_words)
            .enumerate()
            .for_each(|(panel, words)| {
                let first = rows.start + panel * kernel.rows();
                let row = |lane: usize| match first + lane {
                    row if row < rows.end => &x[row * in_features..][block.clone()],
                    _ => &[],
                };
                kernel.pack_rows(row, right.factors(&block), words);
            });
    }
}

/// Words of a left panel with `values` values a lane.
fn panel_words(kernel: &Kernel, values: usize) -> usize {
    kernel.rows() * kernel.left().words(values)
}

fn multiply_packed(
    left: &[u32],
    rows: Range<usize>,
    right: &Panels,
    columns: &Range<usize>,
    finish: &(impl Fn(&Sums<'_>) + Sync),
) {
    let kernel = &right.kernel;
    let (height, task_panels) = (kernel.rows(), kernel.task_panels());
    let row_panels = rows.len().div_ceil(height);
    let row_tasks = row_panels.div_ceil(task_panels);
    let task_columns = task_columns(row_tasks, columns.len());
    let column_tasks = columns.len().div_ceil(task_columns);
    // Tasks with the same weights are neighbours: a thread that takes several of them finds the weights in its cache.
    (0..row_tasks * column_tasks)
        .into_par_iter()
        .for_each(|task| {
            let first_row = task % row_tasks * task_panels;
            let first_column = columns.start + task / row_tasks * task_columns;
            let row_range = first_row..row_panels.min(first_row + task_panels);
            let columns = first_column..columns.end.min(first_column + task_columns);
            let padded_rows = row_range.len() * height;
            with_words(padded_rows * columns.len() * COLUMNS, |words| {
                let (tiles, _) = words.as_mut_f32().as_chunks_mut();
                sum(
                    left,
                    row_panels,
                    right,
                    row_range.clone(),
                    columns.clone(),
                    tiles,
                );
                finish(&Sums {
                    rows: rows.start + row_range.start * height
                        ..rows.end.min(rows.start + row_range.end * height),
                    panels: columns,
                    padded_rows,
                    tiles,
                });
            });
        });
}

/// Column panels of a task: at most [`TASK_COLUMNS`], so that every thread has several tasks.
fn task_columns(row_tasks: usize, columns: usize) -> usize {
    let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
    let column_tasks = tasks.div_ceil(row_tasks);
    (columns / column_tasks).clamp(1, TASK_COLUMNS)
}

/// Computes the tiles of row panels `rows` out of `row_panels` and column panels `columns`.
fn sum(
    left: &[u32],
    row_panels: usize,
    right: &Panels,
    rows: Range<usize>,
    columns: Range<usize>,
    tiles: &mut [[f32; COLUMNS]],
) {
    let kernel = &right.kernel;
    if right.in_features == 0 {
        tiles.as_flattened_mut().fill(0.0);
    }
    let multiplier = kernel.begin();
    let blocks: Vec<_> = kernel.k_blocks(right.in_features).collect();
    for blocks in blocks.chunks(kernel.strip_blocks()) {
        let tiles = tiles.chunks_exact_mut(rows.len() * kernel.rows());
        for (column, tiles) in columns.clone().zip(tiles) {
            let tiles = tiles.chunks_mut(kernel.strip_panels() * kernel.rows());
            for (strip, tiles) in strips(rows.clone(), kernel.strip_panels()).zip(tiles) {
                for block in blocks {
                    let words = panel_words(kernel, block.len());
                    let left = &left[row_panels * panel_words(kernel, block.start)..];
                    let left = &left[strip.start * words..strip.end * words];
                    multiplier.with_right(right.panel(block, column), |right| {
                        multiplier.multiply_panels(left, right, tiles, block.start > 0);
                    });
                }
            }
        }
    }
}

/// Row panels in strips of `length`. The last strip may be shorter.
fn strips(panels: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = panels.clone().step_by(length);
    starts.map(move |start| start..panels.end.min(start + length))
}
