use image::metadata::Orientation;
use image::{Rgb, RgbImage};

use super::image_codec::ImageCodec;
use super::options::DecodeLimits;
use super::stored::StoredImage;
use super::through_image;
use crate::PreprocessError;
use crate::rgb::whiten;

const SIGNATURE: usize = 8;
const GRAY: u8 = 0;
const RGB: u8 = 2;
const PALETTE: u8 = 3;

pub(super) fn header(bytes: &[u8], limits: &DecodeLimits) -> Result<StoredImage, PreprocessError> {
    through_image::header(bytes, ImageCodec::Png, limits)
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
) -> Result<(RgbImage, Orientation), PreprocessError> {
    let (mut rgb, orientation) = through_image::decode(bytes, ImageCodec::Png, limits)?;
    if let Some(key) = color_key(bytes) {
        whiten(&mut rgb, Rgb(key));
    }
    Ok((rgb, orientation))
}

/// The colour key: the one colour, or the one palette entry, that is transparent.
///
/// It is the colour that Pillow finds. Pillow does not scale the key of gray with 2 or 4 bits, and takes the low byte of
/// each sample. A palette has a key only where one entry is transparent and all others are opaque.
fn color_key(png: &[u8]) -> Option<[u8; 3]> {
    let header = find(png, b"IHDR")?;
    let (depth, color_type) = (*header.get(8)?, *header.get(9)?);
    let clear = find(png, b"tRNS")?;
    match (color_type, depth) {
        (GRAY, 1) => clear.starts_with(&[0, 0]).then_some([0; 3]),
        (GRAY, 2..=8) => Some([u8::try_from(samples::<1>(clear)?[0]).unwrap_or(u8::MAX); 3]),
        (RGB, _) => Some(samples::<3>(clear)?.map(|sample| sample as u8)),
        (PALETTE, _) => {
            let index = clear.iter().position(|&alpha| alpha == 0)?;
            let solid = clear.iter().filter(|&&alpha| alpha == u8::MAX).count();
            let (colors, _) = find(png, b"PLTE")?.as_chunks::<3>();
            let color = colors.get(index).copied();
            if solid + 1 == clear.len() {
                color
            } else {
                None
            }
        }
        _ => None,
    }
}

/// The data of the first chunk of a kind before the pixels.
fn find<'a>(png: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    let mut rest = png.get(SIGNATURE..)?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (found, after) = after.split_first_chunk::<4>()?;
        let data = after.get(..u32::from_be_bytes(*length) as usize)?;
        match found {
            _ if found == kind => return Some(data),
            b"IDAT" => return None,
            // The checksum's four bytes follow the data.
            _ => rest = after.get(data.len() + 4..)?,
        }
    }
}

fn samples<const N: usize>(data: &[u8]) -> Option<[u16; N]> {
    let (pairs, _) = data.as_chunks::<2>();
    let samples: &[[u8; 2]; N] = pairs.first_chunk()?;
    Some(samples.map(u16::from_be_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(depth: u8, color_type: u8, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let header = [0, 0, 0, 1, 0, 0, 0, 1, depth, color_type, 0, 0, 0];
        let mut bytes = vec![0; SIGNATURE];
        for (kind, data) in [(b"IHDR", &header[..])].iter().chain(chunks) {
            bytes.extend((data.len() as u32).to_be_bytes());
            bytes.extend([kind.as_slice(), data, &[0; 4]].concat());
        }
        bytes
    }

    #[test]
    fn keys_of_gray_and_rgb() {
        let key = |depth, color_type, data| color_key(&png(depth, color_type, &[(b"tRNS", data)]));
        assert_eq!(key(8, GRAY, &[0, 7]), Some([7; 3]));
        assert_eq!(key(8, GRAY, &[1, 0]), Some([255; 3]));
        assert_eq!(key(1, GRAY, &[0, 1]), None);
        assert_eq!(key(8, RGB, &[0, 1, 0, 2, 1, 3]), Some([1, 2, 3]));
        assert_eq!(key(8, RGB, &[0, 1]), None);
    }

    #[test]
    fn a_palette_has_a_key_where_one_entry_is_clear_and_the_rest_solid() {
        let key = |alphas| {
            let chunks: [(&[u8; 4], &[u8]); 2] =
                [(b"PLTE", &[1, 2, 3, 4, 5, 6]), (b"tRNS", alphas)];
            color_key(&png(8, PALETTE, &chunks))
        };
        assert_eq!(key(&[255, 0]), Some([4, 5, 6]));
        assert_eq!(key(&[0]), Some([1, 2, 3]));
        assert_eq!(key(&[0, 0]), None);
        assert_eq!(key(&[128, 0]), None);
    }

    #[test]
    fn damage_is_no_key() {
        let whole = png(8, RGB, &[(b"tRNS", &[0; 6])]);
        for length in 0..whole.len() - 4 {
            assert_eq!(color_key(&whole[..length]), None);
        }
        assert_eq!(color_key(&whole), Some([0; 3]));
    }
}
