//! Strips and tiles that are JPEG images, often without their tables.

use super::failed;
use crate::PreprocessError;
use crate::codec::{DecodeLimits, jpeg};

const START: &[u8] = &[0xff, 0xd8];
const END: &[u8] = &[0xff, 0xd9];
/// The marker whose last byte tells whether three samples are YCbCr (1) or RGB (0). That byte follows.
const ADOBE: &[u8] = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0";

/// What all strips and tiles of a file share.
#[derive(Debug)]
pub(super) struct JpegChunks {
    /// A JPEG file of tables alone, or nothing.
    pub(super) tables: Vec<u8>,
    pub(super) is_ycbcr: bool,
}

impl JpegChunks {
    /// The rows of a strip or tile: gray for one sample, RGB for three, and four samples as they are stored.
    pub(super) fn decode(
        &self,
        data: &[u8],
        samples: usize,
        (width, rows): (u32, u32),
        limits: &DecodeLimits,
    ) -> Result<Vec<u8>, PreprocessError> {
        let data = data
            .strip_prefix(START)
            .ok_or_else(|| failed("a strip or tile is not JPEG"))?;
        let tables = self.tables.strip_prefix(START).unwrap_or(&self.tables);
        let tables = tables.strip_suffix(END).unwrap_or(tables);
        let transform = [u8::from(self.is_ycbcr)];
        let file = [START, ADOBE, &transform, tables, data].concat();
        let (size, levels) = match samples {
            4 => jpeg::decode_four_samples(&file, limits)?,
            _ => {
                let (image, _) = jpeg::decode(&file, limits)?;
                (image.dimensions(), image.into_raw())
            }
        };
        // The last strip can have more rows than the image.
        if size.0 != width || size.1 < rows {
            return Err(failed(format!(
                "a strip or tile has {}×{} pixels, unlike the image",
                size.0, size.1
            )));
        }
        Ok(match samples {
            // The three levels of gray are equal.
            1 => levels.into_iter().step_by(3).collect(),
            _ => levels,
        })
    }
}
