//! The colour spaces, by the numbers that files have for them.

use crate::codec::directory::Directory;

const PHOTOMETRIC: u16 = 262;

pub(super) const WHITE_IS_ZERO: u64 = 0;
pub(super) const BLACK_IS_ZERO: u64 = 1;
pub(super) const RGB: u64 = 2;
pub(super) const PALETTE: u64 = 3;
pub(super) const CMYK: u64 = 5;
pub(super) const YCBCR: u64 = 6;

/// The colour space. Pillow assumes the first one in a file that names no colour space.
pub(super) fn photometric(directory: &Directory) -> u64 {
    directory.integer(PHOTOMETRIC).unwrap_or(WHITE_IS_ZERO)
}

/// Whether the colour space has three samples.
pub(super) fn is_rgb_or_ycbcr(directory: &Directory) -> bool {
    matches!(photometric(directory), RGB | YCBCR)
}

pub(super) fn is_ycbcr(directory: &Directory) -> bool {
    photometric(directory) == YCBCR
}
