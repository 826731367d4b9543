use glm4v_config::GridThw;
use glm4v_model::CancelToken;

use crate::Error;

/// Extra outputs of the tower, and a way to stop it.
///
/// ```
/// # use glm4v::{LoadOptions, Preset, VisionEncoder, image::DynamicImage};
/// use glm4v::{EncodeOptions, AttentionQuery};
///
/// # let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
/// let patches = encoder.processor().preprocess_images(&[DynamicImage::new_rgb8(168, 112)])?;
/// let options = EncodeOptions {
///     hidden_states: vec![0],
///     attention: vec![AttentionQuery { block: 0, item: 0, t: 0, y: 3, x: 5 }],
///     ..EncodeOptions::default()
/// };
/// let output = encoder.encode_with(&patches, &options)?;
/// assert_eq!(output.hidden_states[0][0].dims(), [1, 8, 12, 128]); // [t, h, w, hidden_size]
/// assert_eq!(output.attention[0].dims(), [2, 8, 12]); // [num_heads, h, w]
/// # Ok::<(), glm4v::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EncodeOptions {
    /// Whether to keep the input of the merger.
    pub last_hidden_state: bool,
    /// The blocks whose outputs are kept, counted from 0.
    pub hidden_states: Vec<usize>,
    /// The patches whose attention is computed.
    pub attention: Vec<AttentionQuery>,
    /// Stops the work between two blocks.
    pub cancel: Option<CancelToken>,
}

/// One patch that attends to the patches of its frame, in one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttentionQuery {
    /// The block, counted from 0.
    pub block: usize,
    /// The image or video, counted from 0 in the batch.
    pub item: usize,
    /// The temporal patch; 0 for an image.
    pub t: usize,
    /// The row of patches.
    pub y: usize,
    /// The column of patches.
    pub x: usize,
}

impl EncodeOptions {
    /// Whether more than the embeddings is requested.
    #[must_use]
    pub fn wants_extra(&self) -> bool {
        self.last_hidden_state || !self.hidden_states.is_empty() || !self.attention.is_empty()
    }

    /// Checks that all requested blocks, items and patches exist.
    pub(crate) fn check(&self, depth: usize, grids: &[GridThw]) -> Result<(), Error> {
        let check = |what, found: usize, count: usize| match found < count {
            true => Ok(()),
            false => Err(Error::Range { what, found, count }),
        };
        for &block in &self.hidden_states {
            check("block", block, depth)?;
        }
        for query in &self.attention {
            check("block", query.block, depth)?;
            check("item", query.item, grids.len())?;
            let grid = grids[query.item];
            check("temporal patch", query.t, grid.t)?;
            check("row of patches", query.y, grid.h)?;
            check("column of patches", query.x, grid.w)?;
        }
        Ok(())
    }
}
