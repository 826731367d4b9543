use std::borrow::Cow;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use glm4v_config::Resample;
use image::RgbImage;

#[cfg(feature = "libjpeg")]
use crate::span::CHANNELS;

/// Lines that are decoded, and then resized, at once. With fewer lines, setting up the filter takes a share of the time.
pub(crate) const STRIP_LINES: usize = 128;

/// Resizes to (height, width) with antialiasing, on 8-bit levels. Every value equals torchvision's.
pub(crate) fn resize(
    image: Cow<'_, RgbImage>,
    (height, width): (u32, u32),
    filter: Resample,
) -> Cow<'_, RgbImage> {
    // torchvision resizes the width first and rounds to levels. One call for both axes would resize the height first.
    let rows = image.height();
    let image = resize_once(image, rows, width, filter);
    resize_once(image, height, width, filter)
}

/// Resizes the width of an image of (width, height) pixels while its lines are decoded. `next` fills a buffer with the
/// next lines; an idle core resizes them meanwhile.
#[cfg(feature = "libjpeg")]
pub(crate) fn resize_in_strips<E>(
    (from_width, height): (u32, u32),
    width: u32,
    filter: Resample,
    mut next: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<RgbImage, E> {
    let mut image = RgbImage::new(width, height);
    if from_width == width {
        next(&mut image)?;
        return Ok(image);
    }
    let (line, from_line) = (width as usize * CHANNELS, from_width as usize * CHANNELS);
    let mut arriving = vec![0; STRIP_LINES.min(height as usize) * from_line];
    let mut arrived = arriving.clone();
    let resize = |source: &[u8], target: &mut [u8]| {
        let lines = target.len() / line;
        let source = &source[..lines * from_line];
        convolve(
            source,
            (from_width, lines as u32),
            target,
            (width, lines as u32),
            filter,
        );
    };
    let mut waiting = None;
    for target in image.chunks_mut(STRIP_LINES * line) {
        let strip = &mut arriving[..target.len() / line * from_line];
        rayon::in_place_scope(|scope| {
            if let Some(target) = waiting.take() {
                let (resize, source) = (&resize, &arrived[..]);
                scope.spawn(move |_| resize(source, target));
            }
            next(strip)
        })?;
        waiting = Some(target);
        std::mem::swap(&mut arriving, &mut arrived);
    }
    if let Some(target) = waiting {
        resize(&arrived, target);
    }
    Ok(image)
}

fn resize_once(
    image: Cow<'_, RgbImage>,
    height: u32,
    width: u32,
    filter: Resample,
) -> Cow<'_, RgbImage> {
    let size = (width, height);
    if image.dimensions() == size {
        return image;
    }
    let mut resized = RgbImage::new(width, height);
    convolve(
        image.as_raw(),
        image.dimensions(),
        &mut resized,
        size,
        filter,
    );
    Cow::Owned(resized)
}

/// Resizes pixels between two sizes, (width, height).
fn convolve(source: &[u8], from: (u32, u32), target: &mut [u8], to: (u32, u32), filter: Resample) {
    let filter = match filter {
        Resample::Bilinear => FilterType::Bilinear,
        Resample::Bicubic => FilterType::CatmullRom,
    };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let source = TypedImageRef::<U8x3>::from_buffer(from.0, from.1, source)
        .expect("RGB has three bytes a pixel");
    let mut target =
        TypedImage::<U8x3>::from_buffer(to.0, to.1, target).expect("RGB has three bytes a pixel");
    // The untyped call would compile the filter for every pixel type, which takes minutes.
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .expect("the whole image is resized");
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn resized(image: &RgbImage, height: u32, width: u32) -> RgbImage {
        resize(Cow::Borrowed(image), (height, width), Resample::Bicubic).into_owned()
    }

    #[test]
    fn flat_stays_flat_and_sizes_are_height_then_width() {
        let flat = RgbImage::from_pixel(40, 9, Rgb([10, 128, 250]));
        assert_eq!(
            resized(&flat, 7, 60),
            RgbImage::from_pixel(60, 7, Rgb([10, 128, 250]))
        );
    }

    #[test]
    fn the_same_size_is_not_copied() {
        let image = RgbImage::new(5, 3);
        assert!(matches!(
            resize(Cow::Borrowed(&image), (3, 5), Resample::Bilinear),
            Cow::Borrowed(_)
        ));
    }

    #[cfg(feature = "libjpeg")]
    #[test]
    fn strips_give_the_same_as_the_whole_image() {
        for (from, width) in [
            ((37, 300), 50),
            ((301, 129), 44),
            ((8, 5), 8),
            ((3, 128), 1),
        ] {
            let pixel = |x: u32, y: u32| Rgb([x * y % 251, x * 7 + y, y * 31].map(|v| v as u8));
            let image = RgbImage::from_fn(from.0, from.1, pixel);
            let mut rest = &image.as_raw()[..];
            let next = |lines: &mut [u8]| {
                let own = rest.split_off(..lines.len()).ok_or("too few lines")?;
                lines.copy_from_slice(own);
                Ok::<_, &str>(())
            };
            let arrived = resize_in_strips(from, width, Resample::Bicubic, next).unwrap();
            assert!(
                arrived == resized(&image, from.1, width),
                "{from:?}, {width}"
            );
        }
        let broken = resize_in_strips((9, 200), 4, Resample::Bicubic, |_| Err("cut off"));
        assert_eq!(broken, Err("cut off"));
    }

    #[test]
    fn bilinear_halving_weighs_four_pixels() {
        // The triangle, twice as wide, weighs the taps at 0.25, 0.25 and 0.75 with 0.75, 0.75 and 0.25:
        // (0 · 0.75 + 70 · 0.75 + 140 · 0.25) / 1.75 = 50.
        let ramp = RgbImage::from_fn(4, 1, |x, _| Rgb([70 * x as u8; 3]));
        let halved = resize(Cow::Owned(ramp), (1, 2), Resample::Bilinear);
        assert_eq!(halved.get_pixel(0, 0).0, [50; 3]);
    }

    #[test]
    fn halving_a_ramp_weighs_neighbours() {
        // The kernel, twice as wide, weighs the taps at 0.25, 0.25, 0.75 and 1.25 with 0.867, 0.867, 0.227 and −0.070:
        // (10 · 0.867 + 20 · 0.227 − 30 · 0.070) / 1.891 = 5.87.
        let ramp = RgbImage::from_fn(4, 1, |x, _| Rgb([x as u8 * 10; 3]));
        let halved = resized(&ramp, 1, 2);
        assert_eq!(halved.into_raw(), [6, 6, 6, 24, 24, 24]);
    }
}
