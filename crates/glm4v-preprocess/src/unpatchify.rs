use glm4v_config::{GridThw, ImageProcessorConfig};
use image::{Rgb, RgbImage};
use ndarray::ArrayView2;

use crate::PreprocessError;
use crate::normalize::Levels;

/// The picture in temporal patch `t` of a still's or clip's patch rows, as the tower sees it: resized, its levels
/// brought back to 0..=255. Of the frames in a temporal patch, the first.
///
/// # Errors
/// [`PreprocessError::Rows`] for rows that are not those of `grid` under `config`, or too few for `t`.
pub fn unpatchify(
    config: &ImageProcessorConfig,
    grid: GridThw,
    rows: ArrayView2<'_, f32>,
    t: usize,
) -> Result<RgbImage, PreprocessError> {
    let (patch, merge) = (config.patch_size, config.merge_size);
    let area = patch * patch;
    let plane = config.temporal_patch_size * area;
    let whole = grid.h.is_multiple_of(merge) && grid.w.is_multiple_of(merge);
    if rows.dim() != (grid.num_patches(), 3 * plane) || t >= grid.t || !whole {
        return Err(PreprocessError::Rows {
            expected: format!(
                "[{}, {}] for frame {t} of {grid}",
                grid.num_patches(),
                3 * plane
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

/// The level whose value is nearest: values are equally far apart.
fn level(value: f32, values: &[f32; 256]) -> u8 {
    let share = (value - values[0]) / (values[255] - values[0]);
    (share * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use image::DynamicImage;

    use super::*;
    use crate::ImageProcessor;

    #[test]
    fn a_picture_comes_back_as_it_went_in() {
        let config = ImageProcessorConfig {
            do_resize: false,
            patch_size: 3,
            ..ImageProcessorConfig::default()
        };
        let picture = RgbImage::from_fn(18, 12, |x, y| {
            Rgb([x as u8 * 14, y as u8 * 21, 255 - x as u8])
        });
        let processor = ImageProcessor::new(config.clone());
        let patches = processor
            .images(&[DynamicImage::ImageRgb8(picture.clone())])
            .unwrap();
        let item = patches.iter().next().unwrap();
        let (grid, values) = (item.grid, item.pixel_values());
        let rows = values.view();
        assert_eq!(unpatchify(&config, grid, rows, 0).unwrap(), picture);

        let error = unpatchify(&config, grid, rows, 1).unwrap_err().to_string();
        assert!(error.contains("[24, 54] for frame 1 of 1×4×6"), "{error}");
    }
}
