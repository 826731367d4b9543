//! Strips and tiles that are JPEG images, often without their tables.

use super::failed;
use crate::PreprocessError;
use crate::codec::{DecodeLimits, DecodeOptions, jpeg};

pub(super) const START: &[u8] = &[0xff, 0xd8];
pub(super) const END: &[u8] = &[0xff, 0xd9];
/// The marker whose last byte tells whether three samples are YCbCr (1) or RGB (0). That byte follows.
pub(super) const ADOBE: &[u8] = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0";
pub(super) const YCBCR: u8 = 1;

/// What all strips and tiles of a file share.
#[derive(Debug)]
pub(super) struct JpegChunks {
    /// A JPEG file of tables alone, or nothing.
    pub(super) tables: Vec<u8>,
    pub(super) is_ycbcr: bool,
}

/// The size that a strip or tile must have.
#[derive(Clone, Copy)]
pub(super) struct JpegSize {
    pub(super) width: u32,
    /// The rows that are drawn.
    pub(super) rows: u32,
    pub(super) most_rows: u32,
}

impl JpegChunks {
    /// The rows of a strip or tile: gray for one sample, RGB for three, and four samples as they are stored.
    pub(super) fn decode(
        &self,
        data: &[u8],
        samples: usize,
        expected: JpegSize,
        limits: &DecodeLimits,
    ) -> Result<Vec<u8>, PreprocessError> {
        let data = data
            .strip_prefix(START)
            .ok_or_else(|| failed("a strip or tile is not JPEG"))?;
        let tables = self.tables.strip_prefix(START).unwrap_or(&self.tables);
        let tables = tables.strip_suffix(END).unwrap_or(tables);
        let transform = [u8::from(self.is_ycbcr)];
        let file = [START, ADOBE, &transform, tables, data].concat();
        // Each strip of a small file could be a JPEG of the largest size.
        expected.check(jpeg_size(&file, limits)?)?;
        let levels = match samples {
            4 => jpeg::decode_four_samples(&file, limits)?,
            _ => jpeg::decode(&file, limits)?.0.into_raw(),
        };
        Ok(match samples {
            // The three levels of gray are equal.
            1 => levels.into_iter().step_by(3).collect(),
            _ => levels,
        })
    }
}

impl JpegSize {
    fn check(self, (width, rows): (u32, u32)) -> Result<(), PreprocessError> {
        if width == self.width && (self.rows..=self.most_rows).contains(&rows) {
            return Ok(());
        }
        Err(failed(format!(
            "a strip or tile has {width}×{rows} pixels, unlike the image"
        )))
    }
}

/// (width, height), from the header.
fn jpeg_size(file: &[u8], limits: &DecodeLimits) -> Result<(u32, u32), PreprocessError> {
    let options = DecodeOptions {
        limits: *limits,
        ..DecodeOptions::default()
    };
    Ok(jpeg::header(file, &options)?.size)
}
