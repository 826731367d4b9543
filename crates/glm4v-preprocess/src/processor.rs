use std::borrow::Cow;

use glm4v_config::{GridThw, ImageProcessorConfig};
use image::{DynamicImage, RgbImage};
use rayon::prelude::*;

use crate::patchify::Patchifier;
use crate::resize::resize;
use crate::rgb::{Alpha, to_rgb};
use crate::target::{target_grid, target_size};
use crate::{Patches, PreprocessError, StillSource, Unread};

/// Makes patch rows of stills, as `Glm4vImageProcessor` of transformers does.
pub struct ImageProcessor {
    config: ImageProcessorConfig,
    patchifier: Patchifier,
}

impl ImageProcessor {
    /// A processor that follows `config`.
    #[must_use]
    pub fn new(config: ImageProcessorConfig) -> Self {
        Self {
            patchifier: Patchifier::new(&config, 1),
            config,
        }
    }

    /// What this processor follows.
    #[must_use]
    pub fn config(&self) -> &ImageProcessorConfig {
        &self.config
    }

    /// The grid of a still of `height` × `width` pixels, known from its size alone; its
    /// [`GridThw::num_tokens`] of [`ImageProcessorConfig::merge_size`] are the tokens it will take.
    ///
    /// # Errors
    /// Those of [`crate::smart_resize`]; without resizing, [`PreprocessError::Size`] for a side that is not a multiple of
    /// [`ImageProcessorConfig::factor`].
    pub fn grid(&self, height: usize, width: usize) -> Result<GridThw, PreprocessError> {
        target_grid(&self.config, self.config.temporal_patch_size, height, width)
    }

    /// The patch rows of `pictures`, in their order, whatever their sizes. Other pixels than RGB of 8 bits are
    /// converted first: gray is spread, 16-bit samples keep their high byte, and transparency is laid over white, as
    /// transformers' processor does with a picture ([`crate::open`] instead drops it, as transformers does with a
    /// file).
    ///
    /// # Errors
    /// Those of [`ImageProcessor::grid`]; [`PreprocessError::PixelType`] for floating-point pixels, and for any but
    /// RGB of 8 bits where `do_convert_rgb` is false; [`PreprocessError::TooLarge`] for rows beyond any memory.
    pub fn images(&self, pictures: &[DynamicImage]) -> Result<Patches, PreprocessError> {
        let size =
            |picture: &DynamicImage| self.grid(picture.height() as usize, picture.width() as usize);
        let grids = pictures.iter().map(size).collect::<Result<Vec<_>, _>>()?;
        let mut patches = self.room(&grids)?;
        let work = pictures.par_iter().zip(&grids).zip(patches.split_mut());
        work.try_for_each(|((picture, &grid), rows)| {
            let (height, width) = target_size(&self.config, grid);
            let resized = resize(self.rgb(picture)?, height, width);
            self.patchifier.write(&[&*resized], grid, rows);
            Ok(())
        })?;
        Ok(patches)
    }

    /// The patch rows of a picture file: what [`crate::open`] and [`ImageProcessor::images`] make of it, but of a JPEG
    /// that is not turned, lines are resized while the next ones are decoded.
    ///
    /// # Errors
    /// [`PreprocessError::File`], for damage and with those of [`ImageProcessor::grid`]; [`PreprocessError::TooLarge`].
    pub fn read(&self, source: &StillSource) -> Result<Patches, PreprocessError> {
        Patches::read(&[Unread::Still(self, source)])
    }

    pub(crate) fn grid_of(&self, source: &StillSource) -> Result<GridThw, PreprocessError> {
        let (height, width) = source.size();
        let grid = self.grid(height, width);
        grid.map_err(|error| error.in_file(source.path()))
    }

    /// Writes the rows of a picture of `grid` to `rows`, as they are held.
    pub(crate) fn read_into(
        &self,
        source: &StillSource,
        grid: GridThw,
        rows: &mut [f32],
    ) -> Result<(), PreprocessError> {
        let (height, width) = target_size(&self.config, grid);
        let resized = source.resized(height, width)?;
        self.patchifier.write(&[&resized], grid, rows);
        Ok(())
    }

    /// Values of a whole row.
    pub(crate) fn row_len(&self) -> usize {
        self.patchifier.row_width() * self.config.temporal_patch_size
    }

    fn room(&self, grids: &[GridThw]) -> Result<Patches, PreprocessError> {
        let repeat = self.config.temporal_patch_size;
        Patches::zeroed(grids.iter().map(|&grid| (grid, repeat)), self.row_len())
    }

    fn rgb<'a>(&self, picture: &'a DynamicImage) -> Result<Cow<'a, RgbImage>, PreprocessError> {
        match picture {
            DynamicImage::ImageRgb8(_) => to_rgb(picture, Alpha::OverWhite),
            _ if self.config.do_convert_rgb => to_rgb(picture, Alpha::OverWhite),
            other => Err(PreprocessError::PixelType {
                expected: "Rgb8 (do_convert_rgb is false)",
                found: format!("{:?}", other.color()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayAlphaImage, LumaA, Rgb};

    use super::*;

    fn tiny(do_resize: bool, do_convert_rgb: bool) -> ImageProcessor {
        ImageProcessor::new(ImageProcessorConfig {
            do_resize,
            do_rescale: false,
            do_normalize: false,
            do_convert_rgb,
            patch_size: 1,
            temporal_patch_size: 1,
            merge_size: 2,
            ..ImageProcessorConfig::default()
        })
    }

    #[test]
    fn the_published_grids() {
        let processor = ImageProcessor::new(glm4v_config::Preset::Glm41V9B.image_processor());
        for (width, height, h, w) in [
            (6000, 4000, 128, 192),
            (4000, 3000, 134, 180),
            (3000, 3000, 156, 156),
            (5000, 4000, 140, 174),
            (1700, 2200, 158, 122),
            (100, 100, 8, 8),
        ] {
            assert_eq!(
                processor.grid(height, width).unwrap(),
                GridThw::new(1, h, w)
            );
        }
    }

    #[test]
    fn pictures_of_different_sizes_are_packed() {
        let level = |width, height, level| RgbImage::from_pixel(width, height, Rgb([level; 3]));
        let pictures = [level(2, 2, 1).into(), level(4, 2, 2).into()];
        let patches = tiny(false, true).images(&pictures).unwrap();
        assert_eq!(
            patches.grids(),
            [GridThw::new(1, 2, 2), GridThw::new(1, 2, 4)]
        );
        let firsts: Vec<f32> = patches.pixel_values().column(0).to_vec();
        assert_eq!(
            firsts,
            [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
        );
    }

    #[test]
    fn no_pictures_are_no_patches() {
        let patches = tiny(true, true).images(&[]).unwrap();
        assert_eq!(patches.pixel_values().shape(), [0, 3]);
    }

    #[test]
    fn without_resizing_the_sides_must_fit() {
        let error = tiny(false, true)
            .images(&[DynamicImage::new_rgb8(4, 3)])
            .unwrap_err();
        assert!(error.to_string().ends_with("found 4×3 pixels"), "{error}");
    }

    #[test]
    fn without_conversion_only_rgb_is_taken() {
        let gray = GrayAlphaImage::from_pixel(2, 2, LumaA([0, 0])).into();
        let error = tiny(false, false)
            .images(std::slice::from_ref(&gray))
            .unwrap_err();
        assert!(error.to_string().contains("found La8"), "{error}");
        assert!(
            tiny(false, false)
                .images(&[DynamicImage::new_rgb8(2, 2)])
                .is_ok()
        );

        let patches = tiny(false, true).images(&[gray]).unwrap();
        assert_eq!(patches.pixel_values()[(0, 0)], 255.0);
    }
}
