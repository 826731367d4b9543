//! The colour spaces, by the numbers that files have for them.

use crate::codec::directory::Directory;

const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;

/// JPEG as in the first version of TIFF 6.0.
pub(super) const OLD_JPEG: u64 = 6;

pub(super) const WHITE_IS_ZERO: u64 = 0;
pub(super) const BLACK_IS_ZERO: u64 = 1;
pub(super) const RGB: u64 = 2;
pub(super) const PALETTE: u64 = 3;
pub(super) const CMYK: u64 = 5;
pub(super) const YCBCR: u64 = 6;

/// The colour space. Pillow assumes the first one in a file that names no colour space. Old JPEG is always YCbCr, whatever
/// the file says.
pub(super) fn photometric(directory: &Directory) -> u64 {
    if directory.integer(COMPRESSION) == Some(OLD_JPEG) {
        return YCBCR;
    }
    directory.integer(PHOTOMETRIC).unwrap_or(WHITE_IS_ZERO)
}

/// Whether the colour space has three samples.
pub(super) fn is_rgb_or_ycbcr(directory: &Directory) -> bool {
    matches!(photometric(directory), RGB | YCBCR)
}

pub(super) fn is_ycbcr(directory: &Directory) -> bool {
    photometric(directory) == YCBCR
}
