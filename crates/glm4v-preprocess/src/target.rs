use glm4v_config::{GridThw, ImageProcessorConfig};

use crate::{Fit, PreprocessError, fit_within, smart_resize};

/// Larger canvases are refused: the number of their bytes must fit 64 bits.
const MAX_PIXELS: u64 = 1 << 58;

/// What frames of one size become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The grid. Its patches are the canvas.
    pub(crate) grid: GridThw,
    /// (height, width) in pixels to which each frame is resized. Black fills the rest of the canvas, at the right and at the
    /// bottom.
    pub(crate) content: (usize, usize),
}

impl Target {
    /// What `num_frames` frames of `height` × `width` pixels become. An image counts as `temporal_patch_size` frames,
    /// because it is repeated.
    pub(crate) fn new(
        config: &ImageProcessorConfig,
        num_frames: usize,
        height: usize,
        width: usize,
    ) -> Result<Self, PreprocessError> {
        let Fit { canvas, content } = fit(config, num_frames, height, width)?;
        if canvas.0 as f64 * canvas.1 as f64 > MAX_PIXELS as f64 {
            return Err(PreprocessError::TooLarge {
                unit: "pixels of a resized image",
                limit: MAX_PIXELS,
                found: format!("{}×{}", canvas.1, canvas.0),
            });
        }
        let (rows, columns) = (canvas.0 / config.patch_size, canvas.1 / config.patch_size);
        let temporal = num_frames.div_ceil(config.temporal_patch_size);
        Ok(Self {
            grid: GridThw::new(temporal, rows, columns),
            content,
        })
    }

    /// What an image of `height` × `width` pixels becomes.
    pub(crate) fn of_image(
        config: &ImageProcessorConfig,
        height: usize,
        width: usize,
    ) -> Result<Self, PreprocessError> {
        Self::new(config, config.temporal_patch_size, height, width)
    }

    /// (height, width) of the canvas in pixels of a source of `height` × `width` pixels.
    pub(crate) fn canvas_of(
        &self,
        (height, width): (usize, usize),
        patch_size: usize,
    ) -> (usize, usize) {
        let side = |pixels: usize, patches: usize, content: usize| {
            (pixels as f64 * (patches * patch_size) as f64 / content as f64).round() as usize
        };
        (
            side(height, self.grid.h, self.content.0),
            side(width, self.grid.w, self.content.1),
        )
    }

    /// (height, width) of the resized frames, whose rows are allocated.
    pub(crate) fn resized(&self) -> (u32, u32) {
        let side = |pixels: usize| u32::try_from(pixels).expect("the rows were allocated");
        (side(self.content.0), side(self.content.1))
    }
}

/// The sizes of the canvas and of the resized frame.
fn fit(
    config: &ImageProcessorConfig,
    num_frames: usize,
    height: usize,
    width: usize,
) -> Result<Fit, PreprocessError> {
    let (temporal, factor) = (config.temporal_patch_size, config.factor());
    if !config.do_resize {
        check_fits(config.patch_size * config.merge_size, height, width)?;
        return Ok(stretched((height, width)));
    }
    if let Some(tokens) = config.tokens {
        return fit_within(num_frames, height, width, temporal, factor, tokens);
    }
    let (min, max) = (config.size.shortest_edge, config.size.longest_edge);
    let size = smart_resize(num_frames, height, width, temporal, factor, min, max)?;
    Ok(stretched(size))
}

/// A frame that fills its canvas.
fn stretched(size: (usize, usize)) -> Fit {
    Fit {
        canvas: size,
        content: size,
    }
}

/// Refuses sides that are not multiples of `side`.
fn check_fits(side: usize, height: usize, width: usize) -> Result<(), PreprocessError> {
    let fits = |length: usize| length > 0 && length.is_multiple_of(side);
    if fits(height) && fits(width) {
        return Ok(());
    }
    let expected = format!(
        "sides that are multiples of patch_size · merge_size ({side}), because do_resize is false"
    );
    Err(PreprocessError::size(
        expected,
        format!("{width}×{height} pixels"),
    ))
}
