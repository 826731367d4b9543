use std::borrow::Cow;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

#[cfg(feature = "libjpeg")]
use crate::{held::LINES_AT_ONCE, patches::CHANNELS};

/// Bicubic with antialiasing, on the levels themselves, equal in every value to torchvision's.
pub(crate) fn resize(picture: Cow<'_, RgbImage>, height: u32, width: u32) -> Cow<'_, RgbImage> {
    // torchvision rounds to levels between the axes, width first; one call for both takes the height first.
    let rows = picture.height();
    let picture = resize_once(picture, rows, width);
    resize_once(picture, height, width)
}

/// [`resize`] to another width alone, of a picture of (width, height) whose lines are still coming: `next` gives as many
/// as the buffer holds, and a core that is idle resizes them while it reads on.
#[cfg(feature = "libjpeg")]
pub(crate) fn resize_arriving<E>(
    (from_width, height): (u32, u32),
    width: u32,
    mut next: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<RgbImage, E> {
    let mut picture = RgbImage::new(width, height);
    if from_width == width {
        next(&mut picture)?;
        return Ok(picture);
    }
    let (line, from_line) = (width as usize * CHANNELS, from_width as usize * CHANNELS);
    let mut arriving = vec![0; LINES_AT_ONCE.min(height as usize) * from_line];
    let mut arrived = arriving.clone();
    let resize = |source: &[u8], target: &mut [u8]| {
        let lines = target.len() / line;
        let source = &source[..lines * from_line];
        convolve(
            source,
            (from_width, lines as u32),
            target,
            (width, lines as u32),
        );
    };
    let mut waiting = None;
    for target in picture.chunks_mut(LINES_AT_ONCE * line) {
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
    Ok(picture)
}

fn resize_once(picture: Cow<'_, RgbImage>, height: u32, width: u32) -> Cow<'_, RgbImage> {
    let size = (width, height);
    if picture.dimensions() == size {
        return picture;
    }
    let mut resized = RgbImage::new(width, height);
    convolve(picture.as_raw(), picture.dimensions(), &mut resized, size);
    Cow::Owned(resized)
}

/// Pixels of one size, (width, height), to those of another.
fn convolve(source: &[u8], from: (u32, u32), target: &mut [u8], to: (u32, u32)) {
    let bicubic = ResizeAlg::Convolution(FilterType::CatmullRom);
    let options = ResizeOptions::new().resize_alg(bicubic);
    let source = TypedImageRef::<U8x3>::from_buffer(from.0, from.1, source)
        .expect("a picture holds three bytes a pixel");
    let mut target = TypedImage::<U8x3>::from_buffer(to.0, to.1, target)
        .expect("a picture holds three bytes a pixel");
    // Typed: the untyped call compiles the filter for every pixel type there is, which takes minutes.
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .expect("no part is cut out");
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

    #[cfg(feature = "libjpeg")]
    #[test]
    fn arriving_lines_become_what_the_whole_picture_does() {
        for (from, width) in [
            ((37, 300), 50),
            ((301, 129), 44),
            ((8, 5), 8),
            ((3, 128), 1),
        ] {
            let pixel = |x: u32, y: u32| Rgb([x * y % 251, x * 7 + y, y * 31].map(|v| v as u8));
            let picture = RgbImage::from_fn(from.0, from.1, pixel);
            let mut rest = &picture.as_raw()[..];
            let next = |lines: &mut [u8]| {
                let own = rest.split_off(..lines.len()).ok_or("too few lines")?;
                lines.copy_from_slice(own);
                Ok::<_, &str>(())
            };
            let arrived = resize_arriving(from, width, next).unwrap();
            assert!(
                arrived == resized(&picture, from.1, width),
                "{from:?}, {width}"
            );
        }
        let broken = resize_arriving((9, 200), 4, |_| Err("cut off"));
        assert_eq!(broken, Err("cut off"));
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
