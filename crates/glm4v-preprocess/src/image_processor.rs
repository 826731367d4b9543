use std::borrow::Cow;

use glm4v_config::{GridThw, ImageProcessorConfig, PatchKind};
use image::{DynamicImage, RgbImage};
use rayon::prelude::*;

use crate::codec::decode_resized;
use crate::patchify::Patchifier;
use crate::resize::resize;
use crate::rgb::{Alpha, to_rgb};
use crate::source::Pixels;
use crate::target::Target;
use crate::{ImageSource, Patches, PreprocessError};

/// Makes patch rows of images, as the image processors of transformers 5.23 do: those of [`glm4v_config::ProcessorClass`].
///
/// ```
/// use glm4v_config::{GridThw, Preset};
/// use glm4v_preprocess::ImageProcessor;
/// use image::DynamicImage;
///
/// let processor = ImageProcessor::new(Preset::Glm41V9B.image_processor());
/// let patches = processor.preprocess(&[DynamicImage::new_rgb8(640, 480)])?;
/// assert_eq!(patches.grids(), [GridThw::new(1, 34, 46)]);
/// # Ok::<(), glm4v_preprocess::PreprocessError>(())
/// ```
pub struct ImageProcessor {
    config: ImageProcessorConfig,
    patchifier: Patchifier,
}

impl ImageProcessor {
    /// A processor for a configuration.
    #[must_use]
    pub fn new(config: ImageProcessorConfig) -> Self {
        Self {
            patchifier: Patchifier::new(&config, 1),
            config,
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &ImageProcessorConfig {
        &self.config
    }

    /// The grid of an image of `height` × `width` pixels. It depends on the size alone.
    ///
    /// # Errors
    /// Those of [`crate::smart_resize`] and [`crate::fit_within`]. Without resizing, [`PreprocessError::Size`] for a side
    /// that is not a multiple of patch_size · merge_size.
    pub fn grid(&self, height: usize, width: usize) -> Result<GridThw, PreprocessError> {
        Ok(Target::of_image(&self.config, height, width)?.grid)
    }

    /// (height, width) in pixels of an image of `height` × `width` pixels that its grid covers: [`GridThw::token_box`] takes
    /// it. It exceeds the image where black is added at the right and at the bottom.
    ///
    /// # Errors
    /// Those of [`ImageProcessor::grid`].
    pub fn canvas(&self, height: usize, width: usize) -> Result<(usize, usize), PreprocessError> {
        let target = Target::of_image(&self.config, height, width)?;
        Ok(target.canvas_of((height, width), self.config.patch_size))
    }

    /// The patch rows of images of any sizes, in their order.
    ///
    /// Other pixels than RGB with 8 bits are converted first. Gray is copied to all channels, and samples of 16 bits keep
    /// their high byte. Transparency is laid over white, as transformers' processor does with an image in memory.
    /// ([`crate::open_image`] drops it, as transformers does with a file.)
    ///
    /// # Errors
    /// Those of [`ImageProcessor::grid`]. [`PreprocessError::PixelType`] for floating-point pixels, and for any but RGB
    /// with 8 bits where `do_convert_rgb` is false. [`PreprocessError::Allocation`] for rows that cannot be allocated.
    pub fn preprocess(&self, images: &[DynamicImage]) -> Result<Patches, PreprocessError> {
        let target = |image: &DynamicImage| {
            let (height, width) = (image.height() as usize, image.width() as usize);
            Target::of_image(&self.config, height, width)
        };
        let targets = images.iter().map(target).collect::<Result<Vec<_>, _>>()?;
        let inputs = targets
            .iter()
            .map(|target| (target.grid, PatchKind::Image, self.stored_row_len()));
        let mut patches = Patches::zeroed(inputs, self.row_len())?;
        let work = images.par_iter().zip(&targets).zip(patches.split_mut());
        work.try_for_each(|((image, target), rows)| {
            let resized = resize(self.rgb(image)?, target.resized(), self.config.resample);
            self.patchifier.write(&[&*resized], target.grid, rows);
            Ok::<(), PreprocessError>(())
        })?;
        Ok(patches)
    }

    /// Writes the rows of an image to `rows`, as they are stored.
    pub(crate) fn read_into(
        &self,
        source: &ImageSource,
        target: Target,
        rows: &mut [f32],
    ) -> Result<(), PreprocessError> {
        let (size, filter) = (target.resized(), self.config.resample);
        let resized = match source.pixels() {
            Pixels::File {
                bytes,
                header,
                options,
            } => Cow::Owned(decode_resized(bytes, header.codec, options, size, filter)?),
            Pixels::Memory(image) => resize(self.rgb(image)?, size, filter),
        };
        self.patchifier.write(&[&*resized], target.grid, rows);
        Ok(())
    }

    /// Values of the reference's rows.
    pub(crate) fn row_len(&self) -> usize {
        self.stored_row_len() * self.config.temporal_patch_size
    }

    /// Values of a row as it is stored: one frame.
    pub(crate) fn stored_row_len(&self) -> usize {
        self.patchifier.row_width()
    }

    fn rgb<'a>(&self, image: &'a DynamicImage) -> Result<Cow<'a, RgbImage>, PreprocessError> {
        match image {
            DynamicImage::ImageRgb8(_) => to_rgb(image, Alpha::OverWhite),
            _ if self.config.do_convert_rgb => to_rgb(image, Alpha::OverWhite),
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
    fn images_of_different_sizes_are_packed() {
        let level = |width, height, level| RgbImage::from_pixel(width, height, Rgb([level; 3]));
        let images = [level(2, 2, 1).into(), level(4, 2, 2).into()];
        let patches = tiny(false, true).preprocess(&images).unwrap();
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
    fn no_images_are_no_patches() {
        let patches = tiny(true, true).preprocess(&[]).unwrap();
        assert_eq!(patches.pixel_values().shape(), [0, 3]);
    }

    #[test]
    fn without_resizing_the_sides_must_fit() {
        let error = tiny(false, true)
            .preprocess(&[DynamicImage::new_rgb8(4, 3)])
            .unwrap_err();
        assert!(error.to_string().ends_with("found 4×3 pixels"), "{error}");
    }

    #[test]
    fn without_conversion_only_rgb_is_taken() {
        let gray = GrayAlphaImage::from_pixel(2, 2, LumaA([0, 0])).into();
        let error = tiny(false, false)
            .preprocess(std::slice::from_ref(&gray))
            .unwrap_err();
        assert!(error.to_string().contains("found La8"), "{error}");
        assert!(
            tiny(false, false)
                .preprocess(&[DynamicImage::new_rgb8(2, 2)])
                .is_ok()
        );

        let patches = tiny(false, true).preprocess(&[gray]).unwrap();
        assert_eq!(patches.pixel_values()[(0, 0)], 255.0);
    }
}
