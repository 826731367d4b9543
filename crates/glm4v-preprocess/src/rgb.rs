use std::borrow::Cow;

use image::{DynamicImage, ImageBuffer, Pixel, Rgb, RgbImage};

use crate::PreprocessError;

/// How transparency is removed.
#[derive(Clone, Copy)]
pub(crate) enum Alpha {
    /// Alpha is ignored: Pillow's `convert("RGB")`, which transformers applies to a file.
    Dropped,
    /// The image is laid over white, as transformers' image processors do.
    OverWhite,
}

/// The image as RGB with 8 bits. Samples of 16 bits keep their high byte.
pub(crate) fn to_rgb(
    image: &DynamicImage,
    alpha: Alpha,
) -> Result<Cow<'_, RgbImage>, PreprocessError> {
    use DynamicImage as D;
    Ok(Cow::Owned(match image {
        D::ImageRgb8(rgb) => return Ok(Cow::Borrowed(rgb)),
        D::ImageLuma8(gray) => map(gray, |[level]| [level; 3]),
        D::ImageLumaA8(gray) => map(gray, |[level, a]| blend([level; 3], a, alpha)),
        D::ImageRgba8(rgba) => map(rgba, |[r, g, b, a]| blend([r, g, b], a, alpha)),
        D::ImageLuma16(gray) => map(gray, |[level]| [high_byte(level); 3]),
        D::ImageRgb16(rgb) => map(rgb, |rgb: [u16; 3]| rgb.map(high_byte)),
        D::ImageLumaA16(gray) => map(gray, |levels: [u16; 2]| {
            let [level, a] = levels.map(high_byte);
            blend([level; 3], a, alpha)
        }),
        D::ImageRgba16(rgba) => map(rgba, |levels: [u16; 4]| {
            let [r, g, b, a] = levels.map(high_byte);
            blend([r, g, b], a, alpha)
        }),
        other => {
            return Err(PreprocessError::PixelType {
                expected: "8-bit or 16-bit",
                found: format!("{:?}", other.color()),
            });
        }
    }))
}

/// [`to_rgb`] of an image that is no longer needed.
pub(crate) fn into_rgb(image: DynamicImage, alpha: Alpha) -> Result<RgbImage, PreprocessError> {
    match image {
        DynamicImage::ImageRgb8(rgb) => Ok(rgb),
        other => to_rgb(&other, alpha).map(Cow::into_owned),
    }
}

/// Makes one colour white. Pillow keeps a file's transparent colour, and transformers' processor lays the image over
/// white.
pub(crate) fn whiten(image: &mut RgbImage, key: Rgb<u8>) {
    for pixel in image.pixels_mut().filter(|pixel| **pixel == key) {
        *pixel = Rgb([u8::MAX; 3]);
    }
}

fn map<P: Pixel, const N: usize>(
    image: &ImageBuffer<P, Vec<P::Subpixel>>,
    rgb: impl Fn([P::Subpixel; N]) -> [u8; 3],
) -> RgbImage {
    let (width, height) = image.dimensions();
    let (pixels, _) = image.as_raw().as_chunks::<N>();
    let bytes = pixels.iter().flat_map(|&pixel| rgb(pixel)).collect();
    RgbImage::from_raw(width, height, bytes).expect("every pixel gives three bytes")
}

fn blend(rgb: [u8; 3], alpha: u8, rule: Alpha) -> [u8; 3] {
    let (cover, white) = (u32::from(alpha), 255 * u32::from(255 - alpha));
    match rule {
        Alpha::Dropped => rgb,
        Alpha::OverWhite => rgb.map(|level| ((u32::from(level) * cover + white + 127) / 255) as u8),
    }
}

const fn high_byte(sample: u16) -> u8 {
    (sample >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_pixel(image: impl Into<DynamicImage>, alpha: Alpha) -> [u8; 3] {
        let image = image.into();
        let rgb = to_rgb(&image, alpha).unwrap();
        let Rgb(levels) = *rgb.get_pixel(0, 0);
        levels
    }

    fn filled<P: Pixel>(pixel: P) -> ImageBuffer<P, Vec<P::Subpixel>> {
        ImageBuffer::from_pixel(2, 1, pixel)
    }

    #[test]
    fn every_integer_type_becomes_rgb() {
        use image::{Luma, LumaA, Rgba};
        let kept = Alpha::Dropped;
        assert_eq!(one_pixel(filled(Luma([9_u8])), kept), [9, 9, 9]);
        assert_eq!(one_pixel(filled(LumaA([9_u8, 1])), kept), [9, 9, 9]);
        assert_eq!(one_pixel(filled(Rgba([1_u8, 2, 3, 0])), kept), [1, 2, 3]);
        assert_eq!(one_pixel(filled(Luma([0x12ff_u16])), kept), [0x12; 3]);
        assert_eq!(one_pixel(filled(LumaA([0x12ff_u16, 0])), kept), [0x12; 3]);
        assert_eq!(
            one_pixel(filled(Rgb([0x12ff_u16, 255, 256])), kept),
            [0x12, 0, 1]
        );
        assert_eq!(
            one_pixel(filled(Rgba([0x12ff_u16, 255, 256, 0])), kept),
            [0x12, 0, 1]
        );
    }

    #[test]
    fn transparency_lets_white_through() {
        use image::Rgba;
        let over = |alpha| one_pixel(filled(Rgba([0_u8, 100, 255, alpha])), Alpha::OverWhite);
        assert_eq!(over(255), [0, 100, 255]);
        assert_eq!(over(0), [255, 255, 255]);
        // 255 · 204 / 255 and (100 · 51 + 255 · 204) / 255
        assert_eq!(over(51), [204, 224, 255]);
    }

    #[test]
    fn floats_are_refused() {
        let floats = DynamicImage::ImageRgb32F(filled(Rgb([0.5_f32; 3])));
        let message = to_rgb(&floats, Alpha::Dropped).unwrap_err().to_string();
        assert!(message.contains("Rgb32F"), "{message}");
    }
}
