use std::io::Read;

use flate2::read::ZlibDecoder;
use ruzstd::decoding::StreamingDecoder;
use weezl::BitOrder;

use super::fax::{FaxDecoder, FaxKind};
use super::jpeg_chunk::JpegChunks;
use super::old_jpeg_tags::OldJpeg;
use super::photometric::{OLD_JPEG, is_ycbcr};
use super::{failed, unsupported};
use crate::PreprocessError;
use crate::codec::directory::Directory;

const COMPRESSION: u16 = 259;
const T4_OPTIONS: u16 = 292;
const JPEG_TABLES: u16 = 347;
/// The option of group 3 that rows refer to the row above them.
const TWO_DIMENSIONAL: u64 = 1;

/// How strips and tiles are compressed.
#[derive(Debug)]
pub(super) enum Compression {
    None,
    PackBits,
    Lzw,
    Deflate,
    Zstandard,
    Fax(FaxKind),
    Jpeg(JpegChunks),
    OldJpeg(OldJpeg),
}

impl Compression {
    pub(super) fn read(directory: &Directory) -> Result<Self, PreprocessError> {
        Ok(match directory.integer(COMPRESSION).unwrap_or(1) {
            1 => Self::None,
            2 => Self::Fax(FaxKind::RowsOfBytes),
            32771 => Self::Fax(FaxKind::RowsOfWords),
            3 => Self::Fax(FaxKind::Group3 {
                two_dimensional: directory.integer(T4_OPTIONS).unwrap_or(0) & TWO_DIMENSIONAL != 0,
            }),
            4 => Self::Fax(FaxKind::Group4),
            5 => Self::Lzw,
            OLD_JPEG => Self::OldJpeg(OldJpeg::read(directory)),
            7 => Self::Jpeg(JpegChunks {
                tables: directory.bytes(JPEG_TABLES).to_vec(),
                is_ycbcr: is_ycbcr(directory),
            }),
            8 | 32946 => Self::Deflate,
            32773 => Self::PackBits,
            50000 => Self::Zstandard,
            other => return Err(unsupported(compression_name(other))),
        })
    }

    pub(super) const fn has_predictor(&self) -> bool {
        match self {
            Self::Lzw | Self::Deflate | Self::Zstandard => true,
            Self::None | Self::PackBits | Self::Fax(_) | Self::Jpeg(_) | Self::OldJpeg(_) => false,
        }
    }

    /// Decompresses rows of a width in pixels until `rows` is full. JPEG is decoded elsewhere.
    pub(super) fn decompress(
        &self,
        data: &[u8],
        width: u32,
        row_bytes: usize,
        rows: &mut [u8],
    ) -> Result<(), PreprocessError> {
        let complete = match self {
            Self::None => data
                .get(..rows.len())
                .map(|data| rows.copy_from_slice(data)),
            Self::PackBits => unpack_bits(data, rows),
            Self::Lzw => lzw(data, rows),
            Self::Deflate => ZlibDecoder::new(data).read_exact(rows).ok(),
            Self::Zstandard => StreamingDecoder::new(data)
                .ok()
                .and_then(|mut decoder| decoder.read_exact(rows).ok()),
            Self::Fax(kind) => {
                let mut decoder = FaxDecoder::new(data, *kind, width);
                rows.chunks_exact_mut(row_bytes)
                    .try_for_each(|row| decoder.row(row))
            }
            Self::Jpeg(_) | Self::OldJpeg(_) => None,
        };
        complete.ok_or_else(|| failed("a strip or tile is damaged or too short"))
    }
}

fn compression_name(number: u64) -> String {
    let name = match number {
        32809 => "ThunderScan",
        34676 | 34677 => "SGI Log",
        34887 => "LERC",
        34925 => "LZMA",
        50001 => "WebP",
        _ => return format!("compression {number}"),
    };
    format!("{name} compression")
}

/// Runs of bytes, and bytes as they are.
fn unpack_bits(data: &[u8], rows: &mut [u8]) -> Option<()> {
    let (mut data, mut filled) = (data, 0);
    while filled < rows.len() {
        let (&control, rest) = data.split_first()?;
        let free = &mut rows[filled..];
        data = match control as i8 {
            // Says nothing.
            i8::MIN => rest,
            count @ 0.. => {
                let count = usize::from(count as u8) + 1;
                let (bytes, rest) = rest.split_at_checked(count)?;
                let fits = count.min(free.len());
                free[..fits].copy_from_slice(&bytes[..fits]);
                filled += fits;
                rest
            }
            count => {
                let count = 1 + usize::from(count.unsigned_abs());
                let (&byte, rest) = rest.split_first()?;
                let fits = count.min(free.len());
                free[..fits].fill(byte);
                filled += fits;
                rest
            }
        };
    }
    Some(())
}

fn lzw(data: &[u8], rows: &mut [u8]) -> Option<()> {
    let mut decoder = match data {
        // The first code clears the table. In very old files it starts at the lowest bit, and codes get wider later.
        [0, second, ..] if second & 1 == 1 => weezl::decode::Decoder::new(BitOrder::Lsb, 8),
        _ => weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8),
    };
    let (mut data, mut filled) = (data, 0);
    while filled < rows.len() {
        let step = decoder.decode_bytes(data, &mut rows[filled..]);
        data = &data[step.consumed_in..];
        filled += step.consumed_out;
        if step.status.is_err() || (step.consumed_in == 0 && step.consumed_out == 0) {
            break;
        }
    }
    (filled == rows.len()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_bits_are_runs_and_literals() {
        let mut rows = [0; 6];
        let data = [2, 1, 2, 3, 0x80, 0xfe, 9];
        assert_eq!(unpack_bits(&data, &mut rows), Some(()));
        assert_eq!(rows, [1, 2, 3, 9, 9, 9]);
        for length in 0..data.len() {
            assert_eq!(unpack_bits(&data[..length], &mut rows), None);
        }
    }

    #[test]
    fn a_run_beyond_the_end_is_cut() {
        let mut rows = [0; 2];
        assert_eq!(unpack_bits(&[0x81, 7], &mut rows), Some(()));
        assert_eq!(rows, [7, 7]);
    }

    #[test]
    fn lzw_that_ends_early_is_an_error() {
        let mut encoder = weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8);
        let data = encoder.encode(b"abcabcabc").unwrap();
        let mut rows = [0; 9];
        assert_eq!(lzw(&data, &mut rows), Some(()));
        assert_eq!(&rows, b"abcabcabc");
        assert_eq!(lzw(&data[..4], &mut rows), None);
        assert_eq!(lzw(&[], &mut rows), None);
    }

    #[test]
    fn lzw_of_very_old_files_starts_at_the_lowest_bit() {
        let mut encoder = weezl::encode::Encoder::new(BitOrder::Lsb, 8);
        let data = encoder.encode(b"abcabcabc").unwrap();
        let mut rows = [0; 9];
        assert_eq!(lzw(&data, &mut rows), Some(()));
        assert_eq!(&rows, b"abcabcabc");
    }
}
