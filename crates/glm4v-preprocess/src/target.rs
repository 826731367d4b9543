use glm4v_config::{GridThw, ImageProcessorConfig};

use crate::{PreprocessError, smart_resize};

/// The grid of `num_frames` frames of `height` × `width` pixels. An image counts as `temporal_patch_size` frames, because
/// it is repeated.
pub(crate) fn target_grid(
    config: &ImageProcessorConfig,
    num_frames: usize,
    height: usize,
    width: usize,
) -> Result<GridThw, PreprocessError> {
    let (height, width) = resized(config, num_frames, height, width)?;
    let patch = config.patch_size;
    let temporal = num_frames.div_ceil(config.temporal_patch_size);
    Ok(GridThw::new(temporal, height / patch, width / patch))
}

/// The sides, (height, width) in pixels, of frames that fill `grid`, whose rows are allocated.
pub(crate) fn target_size(config: &ImageProcessorConfig, grid: GridThw) -> (u32, u32) {
    let side = |patches: usize| {
        u32::try_from(patches * config.patch_size).expect("the rows were allocated")
    };
    (side(grid.h), side(grid.w))
}

fn resized(
    config: &ImageProcessorConfig,
    num_frames: usize,
    height: usize,
    width: usize,
) -> Result<(usize, usize), PreprocessError> {
    let factor = config.factor();
    if config.do_resize {
        let temporal = config.temporal_patch_size;
        let (min, max) = (config.size.shortest_edge, config.size.longest_edge);
        return smart_resize(num_frames, height, width, temporal, factor, min, max);
    }
    let fits = |side: usize| side > 0 && side.is_multiple_of(factor);
    if fits(height) && fits(width) {
        return Ok((height, width));
    }
    let expected = format!(
        "sides that are multiples of patch_size · merge_size ({factor}), because do_resize is false"
    );
    Err(PreprocessError::size(
        expected,
        format!("{width}×{height} pixels"),
    ))
}
