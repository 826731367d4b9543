use glm4v_config::GridThw;
use rayon::prelude::*;

use crate::{ClipSource, ImageProcessor, Patches, PreprocessError, StillSource, VideoProcessor};

/// A still or clip that is yet to be read, and what makes patch rows of it.
#[derive(Clone, Copy)]
pub enum Unread<'a> {
    /// A picture file.
    Still(&'a ImageProcessor, &'a StillSource),
    /// A clip.
    Clip(&'a VideoProcessor, &'a ClipSource),
}

impl Patches {
    /// The patch rows of `items`, in their order: all cores decode and resize, and write them where they belong in the
    /// batch, so that no item has an allocation of its own.
    ///
    /// # Errors
    /// Of several items that fail, the first one's: those of [`ImageProcessor::read`] and [`VideoProcessor::read`].
    /// [`PreprocessError::TooLarge`] for rows beyond any memory, and [`PreprocessError::Rows`] where the processors do not
    /// make rows of one width.
    pub fn read(items: &[Unread<'_>]) -> Result<Self, PreprocessError> {
        let row_len = items.first().map_or(0, Unread::row_len);
        if let Some(odd) = items.iter().find(|item| item.row_len() != row_len) {
            return Err(PreprocessError::Rows {
                expected: format!("[any, {row_len}]"),
                found: format!("[any, {}]", odd.row_len()),
            });
        }
        let grids = items.iter().map(Unread::grid);
        let grids = grids.collect::<Result<Vec<_>, _>>()?;
        let repeats = items.iter().map(Unread::repeat);
        let mut patches = Self::zeroed(grids.iter().copied().zip(repeats), row_len)?;
        let work = items.par_iter().zip(grids).zip(patches.split_mut());
        let done: Vec<_> = work
            .with_max_len(1)
            .map(|((item, grid), rows)| item.read_into(grid, rows))
            .collect();
        done.into_iter().collect::<Result<(), _>>()?;
        Ok(patches)
    }
}

impl Unread<'_> {
    fn row_len(&self) -> usize {
        match self {
            Self::Still(processor, _) => processor.row_len(),
            Self::Clip(processor, _) => processor.row_len(),
        }
    }

    /// How many equal frames one in its rows stands for.
    fn repeat(&self) -> usize {
        match self {
            Self::Still(processor, _) => processor.config().temporal_patch_size,
            Self::Clip(..) => 1,
        }
    }

    fn grid(&self) -> Result<GridThw, PreprocessError> {
        match self {
            Self::Still(processor, source) => processor.grid_of(source),
            Self::Clip(processor, source) => Ok(processor.sampled(source)?.1),
        }
    }

    fn read_into(&self, grid: GridThw, rows: &mut [f32]) -> Result<(), PreprocessError> {
        match self {
            Self::Still(processor, source) => processor.read_into(source, grid, rows),
            Self::Clip(processor, source) => processor.read_into(source, rows),
        }
    }
}
