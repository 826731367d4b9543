//! Rows times packed panels, in blocks that fit the caches, over all cores.

use std::ops::Range;

use rayon::prelude::*;

use crate::buffer::with_words;
use crate::element::Element;
use crate::isa::Isa;
use crate::pack;
use crate::panels::{Panels, runs};
use crate::tile::{COLUMNS, Kernel, ROWS, TILE};

/// Row panels of a task: 144 rows, whose run stays in the second-level cache beside the weights'.
const TASK_ROWS: usize = 12;
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
    tiles: &'a [[f32; TILE]],
}

impl Sums<'_> {
    /// The 32 sums of row `row` and panel `panel`, each with its bias.
    #[inline(always)]
    pub(crate) fn biased(&self, row: usize, panel: usize, bias: Option<&[f32]>) -> [f32; COLUMNS] {
        let own_row = row - self.rows.start;
        let row_panels = self.rows.len().div_ceil(ROWS);
        let tile = &self.tiles[(panel - self.panels.start) * row_panels + own_row / ROWS];
        let mut values = tile.as_chunks().0[own_row % ROWS];
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
    isa: Isa,
    x: &[X],
    rows: usize,
    right: &Panels,
    columns: Range<usize>,
    finish: impl Fn(&Sums<'_>) + Sync,
) {
    let kernel = Kernel::new(right.precision, isa);
    let row_words = kernel.left().words(right.inner).max(1);
    let row_panels = (LEFT_WORDS / row_words / ROWS).next_multiple_of(TASK_ROWS);
    for first in (0..rows).step_by(row_panels * ROWS) {
        let rows = first..rows.min(first + row_panels * ROWS);
        let words = rows.len().next_multiple_of(ROWS) * row_words;
        with_words(words, |left| {
            pack_left(isa, &kernel, x, rows.clone(), right, left.as_mut_slice());
            let columns = columns.clone();
            multiply_packed(&kernel, left.as_slice(), rows, right, columns, &finish);
        });
    }
}

/// The left operand as `[run][panel][step][row]`.
fn pack_left<X: Element>(
    isa: Isa,
    kernel: &Kernel,
    x: &[X],
    rows: Range<usize>,
    right: &Panels,
    mut left: &mut [u32],
) {
    let (inner, format) = (right.inner, kernel.left());
    let panels = rows.len().div_ceil(ROWS);
    for run in runs(right.precision, inner) {
        let panel_words = ROWS * format.words(run.len());
        let (of_run, after) = left.split_at_mut(panels * panel_words);
        left = after;
        of_run
            .par_chunks_exact_mut(panel_words)
            .enumerate()
            .for_each(|(panel, words)| {
                let first = rows.start + panel * ROWS;
                let lanes = std::array::from_fn(|lane| match first + lane {
                    row if row < rows.end => &x[row * inner..][run.clone()],
                    _ => &[],
                });
                isa.run(pack::Rows::<X, ROWS> {
                    rows: lanes,
                    format,
                    panel: words,
                });
            });
    }
}

fn multiply_packed(
    kernel: &Kernel,
    left: &[u32],
    rows: Range<usize>,
    right: &Panels,
    columns: Range<usize>,
    finish: &(impl Fn(&Sums<'_>) + Sync),
) {
    let row_panels = rows.len().div_ceil(ROWS);
    let row_tasks = row_panels.div_ceil(TASK_ROWS);
    let task_columns = task_columns(row_tasks, columns.len());
    let column_tasks = columns.len().div_ceil(task_columns);
    // Tasks over the same weights are neighbours: a thread that works its way through them has the weights near.
    (0..row_tasks * column_tasks)
        .into_par_iter()
        .for_each(|task| {
            let first_row = task % row_tasks * TASK_ROWS;
            let first_column = columns.start + task / row_tasks * task_columns;
            let row_range = first_row..row_panels.min(first_row + TASK_ROWS);
            let column_range = first_column..columns.end.min(first_column + task_columns);
            let tiles = row_range.len() * column_range.len();
            with_words(tiles * TILE, |words| {
                let (tiles, _) = words.as_mut_f32().as_chunks_mut();
                sum(
                    kernel,
                    left,
                    row_panels,
                    right,
                    row_range.clone(),
                    column_range.clone(),
                    tiles,
                );
                finish(&Sums {
                    rows: rows.start + row_range.start * ROWS
                        ..rows.end.min(rows.start + row_range.end * ROWS),
                    panels: column_range,
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

fn sum(
    kernel: &Kernel,
    left: &[u32],
    row_panels: usize,
    right: &Panels,
    rows: Range<usize>,
    columns: Range<usize>,
    tiles: &mut [[f32; TILE]],
) {
    let format = kernel.left();
    if right.inner == 0 {
        tiles.as_flattened_mut().fill(0.0);
    }
    for run in runs(right.precision, right.inner) {
        let words = ROWS * format.words(run.len());
        let left = &left[ROWS * row_panels * format.words(run.start)..];
        let left = &left[rows.start * words..rows.end * words];
        for (column, tiles) in columns.clone().zip(tiles.chunks_exact_mut(rows.len())) {
            let right = right.panel(kernel, run.start, run.len(), column);
            for (left, tile) in left.chunks_exact(words).zip(tiles) {
                kernel.multiply(left, right, tile, run.start > 0);
            }
        }
    }
}
