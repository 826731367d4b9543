//! Rows times packed panels, in blocks that fit the caches, over all cores.

use std::ops::Range;

use rayon::prelude::*;

use crate::buffer::with_words;
use crate::element::Element;
use crate::panels::Panels;
use crate::tile::{COLUMNS, Kernel};

/// Column panels of a task at most.
const TASK_COLUMNS: usize = 8;
/// Tasks a thread that make up for cores being unequally busy.
const TASKS_PER_THREAD: usize = 4;
/// Words of the left operand packed at a time (8 MiB), which the last-level cache holds beside the weights in use.
const LEFT_WORDS: usize = 2 << 20;

/// Sums of a task: the tiles of some row panels and some column panels.
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
    /// The 32 sums of row `row` and panel `panel`, each with its bias.
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

/// Multiplies the `rows` rows of `x` with the panels `columns` of `right` and hands the sums to `finish`, a block at a time
/// and each sum once.
pub(crate) fn multiply<X: Element>(
    x: &[X],
    rows: usize,
    right: &Panels,
    columns: Range<usize>,
    finish: impl Fn(&Sums<'_>) + Sync,
) {
    let kernel = &right.kernel;
    let row_words = kernel.left().words(right.inner).max(1);
    let row_panels =
        (LEFT_WORDS / row_words / kernel.rows()).next_multiple_of(kernel.task_panels());
    for first in (0..rows).step_by(row_panels * kernel.rows()) {
        let rows = first..rows.min(first + row_panels * kernel.rows());
        let words = rows.len().next_multiple_of(kernel.rows()) * row_words;
        with_words(words, |left| {
            pack_left(x, rows.clone(), right, left.as_mut_slice());
            multiply_packed(left.as_slice(), rows, right, &columns, &finish);
        });
    }
}

/// The left operand as `[run][panel]`.
fn pack_left<X: Element>(x: &[X], rows: Range<usize>, right: &Panels, mut left: &mut [u32]) {
    let (inner, kernel) = (right.inner, &right.kernel);
    let panels = rows.len().div_ceil(kernel.rows());
    for run in kernel.runs(inner) {
        let panel_words = panel_words(kernel, run.len());
        let (of_run, after) = left.split_at_mut(panels * panel_words);
        left = after;
        of_run
            .par_chunks_exact_mut(panel_words)
            .enumerate()
            .for_each(|(panel, words)| {
                let first = rows.start + panel * kernel.rows();
                let row = |lane: usize| match first + lane {
                    row if row < rows.end => &x[row * inner..][run.clone()],
                    _ => &[],
                };
                kernel.pack_rows(row, words);
            });
    }
}

/// Words of a left panel of `inner` values.
fn panel_words(kernel: &Kernel, inner: usize) -> usize {
    kernel.rows() * kernel.left().words(inner)
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
    // Tasks over the same weights are neighbours: a thread that works its way through them has the weights near.
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

/// As many as [`TASK_COLUMNS`], and few enough that every thread has several tasks.
fn task_columns(row_tasks: usize, columns: usize) -> usize {
    let tasks = TASKS_PER_THREAD * rayon::current_num_threads();
    let column_tasks = tasks.div_ceil(row_tasks);
    (columns / column_tasks).clamp(1, TASK_COLUMNS)
}

/// Of row panels `rows` out of `row_panels` and column panels `columns`.
fn sum(
    left: &[u32],
    row_panels: usize,
    right: &Panels,
    rows: Range<usize>,
    columns: Range<usize>,
    tiles: &mut [[f32; COLUMNS]],
) {
    let kernel = &right.kernel;
    if right.inner == 0 {
        tiles.as_flattened_mut().fill(0.0);
    }
    let multiplier = kernel.begin();
    for run in kernel.runs(right.inner) {
        let words = panel_words(kernel, run.len());
        let left = &left[row_panels * panel_words(kernel, run.start)..];
        let left = &left[rows.start * words..rows.end * words];
        let tiles = tiles.chunks_exact_mut(rows.len() * kernel.rows());
        for (column, tiles) in columns.clone().zip(tiles) {
            multiplier.with_right(right.panel(&run, column), |right| {
                let tiles = tiles.chunks_exact_mut(kernel.rows());
                for (left, tile) in left.chunks_exact(words).zip(tiles) {
                    multiplier.multiply(left, right, tile, run.start > 0);
                }
            });
        }
    }
}
