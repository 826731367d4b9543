//! Old JPEG (compression 6): one JPEG stream for all strips or tiles, whose header can be in a place of its own, in the
//! first strip, or in tags. The stream is put together as libtiff does it.

use image::RgbImage;

use super::failed;
use super::jpeg_chunk::{ADOBE, END, START, YCBCR};
use super::jpeg_header::{Frame, JpegHeader, ScanSample};
use super::layout::Layout;
use super::old_jpeg_tags::OldJpeg;
use crate::PreprocessError;
use crate::codec::{DecodeLimits, jpeg};

/// The side of a block of coefficients.
const BLOCK: u32 = 8;
/// The bytes of the stream, in file lengths, at most: a header that reaches to the end of the file, then all strips.
const MAX_STREAM_READS: usize = 2;

impl OldJpeg {
    /// Bytes of the stream and of its start, at most.
    pub(super) fn stream_bytes(file: &[u8]) -> u64 {
        2 * MAX_STREAM_READS as u64 * file.len() as u64
    }

    /// Draws the pixels of the whole image.
    pub(super) fn draw(
        &self,
        file: &[u8],
        layout: &Layout<'_>,
        image: &mut RgbImage,
        limits: &DecodeLimits,
    ) -> Result<(), PreprocessError> {
        let stream = self.stream(file, layout)?;
        let row_bytes = 3 * image.width() as usize;
        let mut rows = image.chunks_exact_mut(row_bytes);
        jpeg::ycbcr_lines(&stream, limits, layout.size.1, |line| {
            // A tile can be wider than the image.
            let row = rows
                .next()
                .into_iter()
                .flat_map(|row| row.chunks_exact_mut(3));
            for (pixel, levels) in row.zip(line.chunks_exact(3)) {
                pixel.copy_from_slice(&layout.color.rgb(levels));
            }
        })
    }

    /// The JPEG file that the parts make together.
    fn stream(&self, file: &[u8], layout: &Layout<'_>) -> Result<Vec<u8>, PreprocessError> {
        let (start, parts) = self.parts(file, layout)?;
        let (first, others) = parts.split_at(parts.len().min(1));
        let head = [start, &first.concat()].concat();
        let mut header = JpegHeader::read(&head)
            .ok_or_else(|| failed("the header of the old JPEG data is damaged"))?;
        let width = layout.chunks.size.0;
        if header.frame.is_none() {
            let rows = layout.chunks.rows_of_all(layout.size.1);
            header.frame = Frame::of_tags(width, rows, self.subsampling).and_then(|mut frame| {
                self.add_tables(file, &mut header, &mut frame)?;
                Some(frame)
            });
        }
        let frame = header.frame.as_ref();
        let (columns, lines) = frame
            .and_then(|frame| frame.sampling(width, layout.size.1))
            .ok_or_else(|| {
                failed("the old JPEG data have no tables, or another size or kind than the image")
            })?;
        let interval = self.restart_interval(&header, layout, (columns, lines))?;
        let mut stream = [START, ADOBE, &[YCBCR]].concat();
        header.write(interval, &mut stream);
        let pixels = stream.len();
        stream.extend(&head[header.length..]);
        for (index, part) in others.iter().enumerate() {
            // Each strip starts anew, behind a mark.
            stream.extend(restart_mark(index));
            stream.extend(*part);
        }
        let blocks = layout.size.1.div_ceil(BLOCK * lines) * width.div_ceil(BLOCK * columns);
        let marks = match interval {
            0 => 0,
            interval => blocks.div_ceil(interval.into()) as usize - 1,
        };
        // libjpeg would guess where the pixels behind a false mark belong.
        if marks < others.len() || !are_in_order(&stream[pixels..], marks) {
            return Err(failed(
                "a restart mark of the old JPEG data is missing or at a wrong place",
            ));
        }
        stream.extend(END);
        Ok(stream)
    }

    /// After how many blocks the stream has a restart mark, or 0.
    fn restart_interval(
        &self,
        header: &JpegHeader,
        layout: &Layout<'_>,
        (columns, lines): (u32, u32),
    ) -> Result<u16, PreprocessError> {
        let ((width, rows), height) = (layout.chunks.size, layout.size.1);
        let mut interval = self.restart_interval;
        if rows < height {
            if !rows.is_multiple_of(BLOCK * lines) {
                return Err(failed("strips of old JPEG data that end inside a block"));
            }
            let blocks = width.div_ceil(BLOCK * columns) * (rows / (BLOCK * lines));
            interval = blocks
                .try_into()
                .map_err(|_| failed("strips of old JPEG data with too many blocks"))?;
        }
        Ok(header.restart_interval.unwrap_or(interval))
    }

    /// The start of the stream, which can be absent, and all strips or tiles.
    fn parts<'a>(
        &self,
        file: &'a [u8],
        layout: &Layout<'_>,
    ) -> Result<(&'a [u8], Vec<&'a [u8]>), PreprocessError> {
        // A JPEG has no more rows, and every strip has at least one.
        if layout.size.1 > u16::MAX.into() {
            return Err(failed("old JPEG data cannot have so many rows"));
        }
        let start = self.header.and_then(|(offset, length)| {
            let bytes = file.get(usize::try_from(offset).ok()?..)?;
            let length = length.and_then(|length| usize::try_from(length).ok());
            Some(
                length
                    .and_then(|length| bytes.get(..length))
                    .unwrap_or(bytes),
            )
        });
        let start = start.unwrap_or_default();
        let most = MAX_STREAM_READS.saturating_mul(file.len());
        let (mut parts, mut total) = (Vec::new(), start.len());
        for part in layout.chunks.all_data(file) {
            total += part.len();
            if total > most {
                return Err(failed("many strips or tiles share their bytes"));
            }
            parts.push(part);
        }
        Ok((start, parts))
    }

    /// Adds the tables that tags point to.
    fn add_tables(&self, file: &[u8], header: &mut JpegHeader, frame: &mut Frame) -> Option<()> {
        let bytes = |offset: u64, length: usize| {
            let start = usize::try_from(offset).ok()?;
            file.get(start..)?.get(..length)
        };
        let codes = |offset: u64| {
            let counts = bytes(offset, 16)?.iter();
            let count: usize = counts.map(|&count| usize::from(count)).sum();
            bytes(offset, 16 + count)
        };
        let (quantization, dc, ac) = (
            selected(&self.quantization)?,
            selected(&self.dc)?,
            selected(&self.ac)?,
        );
        for sample in 0..3 {
            let number = sample as u8;
            if quantization[sample] == number {
                let table = bytes(self.quantization[sample], 64)?;
                header.quantization[sample] = Some([&[number], table].concat());
            }
            if dc[sample] == number {
                let table = codes(self.dc[sample])?;
                header.dc[sample] = Some([&[number], table].concat());
            }
            if ac[sample] == number {
                let table = codes(self.ac[sample])?;
                header.ac[sample] = Some([&[0x10 | number], table].concat());
            }
            frame.samples[sample].quantization = quantization[sample];
            header.scan[sample] = ScanSample {
                name: number,
                tables: (dc[sample] << 4) | ac[sample],
            };
        }
        Some(())
    }
}

/// The number of each sample's table: its own, or that of the sample before it. The first sample must have one.
fn selected(offsets: &[u64]) -> Option<[u8; 3]> {
    let offset = |sample: usize| offsets.get(sample).copied().filter(|&offset| offset > 0);
    offset(0)?;
    let mut numbers = [0; 3];
    for sample in 1..3 {
        let is_own = offset(sample).is_some() && offset(sample) != offset(sample - 1);
        numbers[sample] = if is_own {
            sample as u8
        } else {
            numbers[sample - 1]
        };
    }
    Some(numbers)
}

fn restart_mark(index: usize) -> [u8; 2] {
    [0xff, 0xd0 + (index % 8) as u8]
}

/// Whether the first `count` markers in the data are restart marks in their order.
fn are_in_order(data: &[u8], count: usize) -> bool {
    let (mut found, mut behind_ff) = (0, false);
    for &byte in data {
        if found == count {
            break;
        }
        // 0 makes an ordinary byte of 255.
        if behind_ff && !matches!(byte, 0 | 0xff) {
            if restart_mark(found)[1] != byte {
                return false;
            }
            found += 1;
        }
        behind_ff = byte == 0xff;
    }
    found == count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_marks_have_an_order() {
        let data = [1, 0xff, 0, 2, 0xff, 0xff, 0xd0, 3, 0xff, 0xd1, 0xff, 0xd9];
        assert!(are_in_order(&data, 0));
        assert!(are_in_order(&data, 1));
        assert!(are_in_order(&data, 2));
        assert!(!are_in_order(&data, 3));
        assert!(!are_in_order(&data[7..], 1));
        assert!(!are_in_order(&data[..6], 1));
    }

    #[test]
    fn samples_share_the_table_of_the_sample_before() {
        assert_eq!(selected(&[9, 20, 20]), Some([0, 1, 1]));
        assert_eq!(selected(&[9, 20, 30]), Some([0, 1, 2]));
        assert_eq!(selected(&[9, 9, 30]), Some([0, 0, 2]));
        assert_eq!(selected(&[9]), Some([0, 0, 0]));
        assert_eq!(selected(&[0, 20, 20]), None);
        assert_eq!(selected(&[]), None);
    }
}
