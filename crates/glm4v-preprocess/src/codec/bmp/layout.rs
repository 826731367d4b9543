use super::channel::Channel;
use super::code::Code;
use super::failed;
use super::header::Header;
use super::palette::Palette;
use crate::PreprocessError;
use crate::codec::options::DecodeLimits;

const RAW: u32 = 0;
const RLE8: u32 = 1;
const RLE4: u32 = 2;
const BITFIELDS: u32 = 3;
/// Blue in the first byte.
const MASKS_24: [u32; 3] = [0xff_0000, 0xff00, 0xff];
const MASKS_15: [u32; 3] = [0x7c00, 0x3e0, 0x1f];

/// How the pixels are stored.
pub(super) enum Coding {
    /// Rows of palette indices.
    Indices(Palette),
    /// Rows of numbers with red, green and blue in them.
    Channels([Channel; 3]),
    /// Palette indices in runs.
    Runs { code: Code, palette: Palette },
}

/// What is needed to decode the pixels.
pub(super) struct Layout<'a> {
    /// (width, height)
    pub(super) size: (u32, u32),
    pub(super) is_top_down: bool,
    /// Bits of a pixel, from which the length of a row follows.
    pub(super) pixel_bits: u32,
    pub(super) coding: Coding,
    /// The file, from its first pixel on.
    pub(super) pixels: &'a [u8],
    /// Whether the first pixel has an even place in the file.
    pub(super) starts_even: bool,
}

impl<'a> Layout<'a> {
    pub(super) fn read(file: &'a [u8], limits: &DecodeLimits) -> Result<Self, PreprocessError> {
        let header = Header::read(file)?;
        let (width, height) = header.size;
        let area = u64::from(width) * u64::from(height);
        limits.check_size(header.size, area.saturating_mul(3))?;
        let (coding, start) = match header.bits {
            1 | 2 | 4 | 8 => indexed(&header, file)?,
            16 | 24 | 32 => colored(&header, file)?,
            bits => return Err(failed(format!("{bits} bits a pixel are not supported"))),
        };
        let pixels = usize::try_from(start).ok().and_then(|at| file.get(at..));
        Ok(Self {
            size: header.size,
            is_top_down: header.is_top_down,
            pixel_bits: header.bits,
            coding,
            pixels: pixels.unwrap_or_default(),
            starts_even: start % 2 == 0,
        })
    }
}

/// Pixels with a palette, and where they start.
fn indexed(header: &Header, file: &[u8]) -> Result<(Coding, u64), PreprocessError> {
    let colors = match header.colors {
        0 => 1 << header.bits,
        colors => colors,
    };
    let palette = Palette::read(file, header.end, colors, header.color_bytes)?;
    let palette_bytes = header.color_bytes as u64 * u64::from(colors);
    let (pixels, end) = (u64::from(header.pixels), header.end as u64);
    // Some files name the place of the palette.
    let start = match pixels == 0 || pixels == end {
        true => end + palette_bytes,
        false => pixels,
    };
    let coding = match header.compression {
        RAW => Coding::Indices(palette),
        RLE8 => Coding::Runs {
            code: Code::Bytes,
            palette,
        },
        RLE4 => Coding::Runs {
            code: Code::HalfBytes,
            palette,
        },
        other => return Err(compressed(header, other)),
    };
    Ok((coding, start))
}

/// Pixels without a palette, and where they start.
fn colored(header: &Header, file: &[u8]) -> Result<(Coding, u64), PreprocessError> {
    let usual = match header.bits {
        16 => MASKS_15,
        _ => MASKS_24,
    };
    let (masks, end) = match header.compression {
        RAW => (usual, header.end),
        BITFIELDS => match header.masks(file)? {
            // As in Pillow.
            ([0, 0, 0], end) if header.bits == 32 => (usual, end),
            masks => masks,
        },
        other => return Err(compressed(header, other)),
    };
    let mut channels = [Channel::default(); 3];
    for (channel, mask) in channels.iter_mut().zip(masks) {
        *channel = Channel::of(mask, header.bits)
            .ok_or_else(|| failed(format!("the mask {mask:#x} of a colour is not supported")))?;
    }
    let start = match header.pixels {
        0 => end as u64,
        pixels => pixels.into(),
    };
    Ok((Coding::Channels(channels), start))
}

fn compressed(header: &Header, compression: u32) -> PreprocessError {
    let bits = header.bits;
    failed(format!(
        "compression {compression} is not supported with {bits} bits a pixel"
    ))
}
