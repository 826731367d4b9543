use glm4v_config::{GridThw, ImageProcessorConfig};

use crate::patches::checked_patches;
use crate::{PreprocessError, smart_resize};

/// The grid of `num_frames` frames of `height` × `width` pixels; of a still, which is repeated, `temporal_patch_size`
/// frames.
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

/// The sides, (height, width) in pixels, of frames that fill `grid`, whose rows are in memory already.
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
        "sides that are multiples of patch_size · merge_size ({factor}), as do_resize is false"
    );
    Err(PreprocessError::size(
        expected,
        format!("{width}×{height} pixels"),
    ))
}

/// Rows of `width` values for all `grids`.
pub(crate) fn zeros(grids: &[GridThw], width: usize) -> Result<Vec<f32>, PreprocessError> {
    let too_large = || PreprocessError::TooLarge {
        what: "values",
        limit: (isize::MAX as usize / size_of::<f32>()) as u64,
        found: format!("rows of {width} values for {grids:?}, more than can be allocated"),
    };
    let values = checked_patches(grids)
        .and_then(|rows| rows.checked_mul(width))
        .ok_or_else(too_large)?;
    // Asked for and given back: what cannot be had is an error here, and would end the program in the next line, which
    // unlike a reserved vector gets its zeros from the system.
    let mut probe = Vec::<f32>::new();
    probe.try_reserve_exact(values).map_err(|_| too_large())?;
    drop(std::hint::black_box(probe));
    Ok(vec![0.0; values])
}
