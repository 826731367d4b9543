use re_rav1d::dav1d::Picture;
use re_rav1d::dav1d::pixel::{MatrixCoefficients, YUVRange};

/// How colours are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    /// The number of the matrix in ITU-T H.273.
    pub(super) matrix: u64,
    pub(super) full_range: bool,
}

impl Coding {
    /// Red, green and blue themselves.
    pub(super) const IDENTITY: u64 = 0;

    /// The coding that AV1 names.
    pub(super) fn of(picture: &Picture) -> Self {
        Self {
            matrix: match picture.matrix_coefficients() {
                MatrixCoefficients::Identity => Self::IDENTITY,
                MatrixCoefficients::BT709 => 1,
                MatrixCoefficients::Unspecified => 2,
                MatrixCoefficients::BT470BG => 5,
                MatrixCoefficients::BT2020NonConstantLuminance => 9,
                // Reserved: all others are refused.
                _ => 3,
            },
            full_range: picture.color_range() == YUVRange::Full,
        }
    }
}
