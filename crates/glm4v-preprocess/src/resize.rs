use std::borrow::Cow;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// Bicubic with antialiasing, on the levels themselves, equal in every value to torchvision's.
pub(crate) fn resize(picture: Cow<'_, RgbImage>, height: u32, width: u32) -> Cow<'_, RgbImage> {
    // torchvision rounds to levels between the axes, width first; one call for both takes the height first.
    let rows = picture.height();
    let picture = resize_once(picture, rows, width);
    resize_once(picture, height, width)
}

fn resize_once(picture: Cow<'_, RgbImage>, height: u32, width: u32) -> Cow<'_, RgbImage> {
    if picture.dimensions() == (width, height) {
        return picture;
    }
    let bicubic = ResizeAlg::Convolution(FilterType::CatmullRom);
    let options = ResizeOptions::new().resize_alg(bicubic);
    let (from_width, from_height) = picture.dimensions();
    let source = TypedImageRef::<U8x3>::from_buffer(from_width, from_height, picture.as_raw())
        .expect("an RgbImage holds three bytes a pixel");
    let mut resized = RgbImage::new(width, height);
    let mut target = TypedImage::<U8x3>::from_buffer(width, height, &mut resized)
        .expect("an RgbImage holds three bytes a pixel");
    // Typed: the untyped call compiles the filter for every pixel type there is, which takes minutes.
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .expect("no part is cut out");
    Cow::Owned(resized)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn resized(picture: &RgbImage, height: u32, width: u32) -> RgbImage {
        resize(Cow::Borrowed(picture), height, width).into_owned()
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
        let picture = RgbImage::new(5, 3);
        assert!(matches!(
            resize(Cow::Borrowed(&picture), 3, 5),
            Cow::Borrowed(_)
        ));
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
