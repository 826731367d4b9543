use glm4v_config::{ImageProcessorConfig, PatchKind};
use image::{Rgb, RgbImage};

use crate::normalize::Levels;
use crate::span::CHANNELS;
use crate::{PreprocessError, SpanRows};

/// The image in temporal patch `t` of patch rows, as the tower sees it: resized, with levels from 0 to 255. It is the
/// first frame of the temporal patch.
///
/// # Errors
/// [`PreprocessError::Rows`] for rows that do not fit `config`, and for a `t` beyond the grid.
pub fn unpatchify(
    config: &ImageProcessorConfig,
    SpanRows {
        grid, kind, rows, ..
    }: SpanRows<'_>,
    t: usize,
) -> Result<RgbImage, PreprocessError> {
    let (patch, merge) = (config.patch_size, config.merge_size);
    let frames = match kind {
        PatchKind::Image => 1,
        PatchKind::Video => config.temporal_patch_size,
    };
    let plane = frames * patch * patch;
    let whole = grid.h.is_multiple_of(merge) && grid.w.is_multiple_of(merge);
    if rows.dim() != (grid.num_patches(), CHANNELS * plane) || t >= grid.t || !whole {
        return Err(PreprocessError::Rows {
            expected: format!(
                "[{}, {}] for frame {t} of {grid}",
                grid.num_patches(),
                CHANNELS * plane
            ),
            found: format!("{:?}", rows.shape()),
        });
    }
    let levels = Levels::new(config);
    let side = |patches: usize| (patches * patch) as u32;
    Ok(RgbImage::from_fn(side(grid.w), side(grid.h), |x, y| {
        let (x, y) = (x as usize, y as usize);
        let row = grid.patch_row((t, y / patch, x / patch), merge);
        let value = |channel| rows[(row, channel * plane + y % patch * patch + x % patch)];
        Rgb([0, 1, 2].map(|channel| level(value(channel), levels.channel(channel))))
    }))
}

/// The level whose value is nearest. The values are equally far apart.
fn level(value: f32, values: &[f32; 256]) -> u8 {
    let share = (value - values[0]) / (values[255] - values[0]);
    (share * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use image::DynamicImage;

    use super::*;
    use crate::{ImageProcessor, Patches};

    #[test]
    fn an_image_comes_back_as_it_went_in() {
        let config = ImageProcessorConfig {
            do_resize: false,
            patch_size: 3,
            ..ImageProcessorConfig::default()
        };
        let image = RgbImage::from_fn(18, 12, |x, y| {
            Rgb([x as u8 * 14, y as u8 * 21, 255 - x as u8])
        });
        let processor = ImageProcessor::new(config.clone());
        let images = [DynamicImage::ImageRgb8(image.clone())];
        let stored = processor.preprocess(&images).unwrap();
        let reference = stored.pixel_values().into_owned();
        let whole = Patches::from_pixel_values(reference, stored.grids()).unwrap();
        for (patches, width) in [(&stored, 27), (&whole, 54)] {
            let rows = patches.iter().next().unwrap();
            assert_eq!(unpatchify(&config, rows, 0).unwrap(), image);
            let error = unpatchify(&config, rows, 1).unwrap_err().to_string();
            let expected = format!("[24, {width}] for frame 1 of 1×4×6");
            assert!(error.contains(&expected), "{error}");
        }
    }
}
