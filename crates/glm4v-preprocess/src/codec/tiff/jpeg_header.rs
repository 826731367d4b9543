//! The header of a JPEG stream in an old TIFF file, read apart and written anew. libtiff reads only the parts that are
//! listed here, and refuses streams with others.

/// The samples of a pixel.
const SAMPLES: usize = 3;
const FRAME_BYTES: usize = 6 + 3 * SAMPLES;
const SCAN_BYTES: usize = 4 + 2 * SAMPLES;
/// One quantization table with its number.
const QUANTIZATION_BYTES: usize = 65;
const SAMPLE_BITS: u8 = 8;

const BASELINE: u8 = 0xc0;
const EXTENDED: u8 = 0xc1;
const CODES: u8 = 0xc4;
const START: u8 = 0xd8;
const SCAN: u8 = 0xda;
const QUANTIZATION: u8 = 0xdb;
const RESTART: u8 = 0xdd;

/// Everything before the compressed pixels.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JpegHeader {
    /// By number, as they are stored.
    pub(super) quantization: [Option<Vec<u8>>; 4],
    pub(super) dc: [Option<Vec<u8>>; 4],
    pub(super) ac: [Option<Vec<u8>>; 4],
    pub(super) restart_interval: Option<u16>,
    pub(super) frame: Option<Frame>,
    pub(super) scan: [ScanSample; SAMPLES],
    /// The bytes that were read.
    pub(super) length: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    marker: u8,
    height: u16,
    width: u16,
    pub(super) samples: [FrameSample; SAMPLES],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FrameSample {
    name: u8,
    /// Values in a row and in a column of the pixels that share a colour.
    sampling: u8,
    pub(super) quantization: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ScanSample {
    pub(super) name: u8,
    /// The numbers of both tables of codes.
    pub(super) tables: u8,
}

impl JpegHeader {
    /// Reads up to the compressed pixels. Data that start with another byte than 255 have no header.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut header = Self::default();
        let mut rest = bytes;
        let mut has_scan = false;
        while !has_scan && *rest.first()? == 0xff {
            let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
            let (&marker, behind) = rest[fill..].split_first()?;
            rest = behind;
            if marker == START {
                continue;
            }
            let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
            let body = rest.get(2..length)?;
            rest = &rest[length..];
            match marker {
                // Comments and data of programs.
                0xfe | 0xe0..=0xef => {}
                RESTART => {
                    header.restart_interval = Some(u16::from_be_bytes(body.try_into().ok()?))
                }
                QUANTIZATION => header.read_quantization(body)?,
                CODES => header.read_codes(body)?,
                BASELINE | EXTENDED if header.frame.is_none() => {
                    header.frame = Some(Frame::read(marker, body)?);
                }
                SCAN => {
                    header.read_scan(body)?;
                    has_scan = true;
                }
                _ => return None,
            }
        }
        header.length = bytes.len() - rest.len();
        (header.frame.is_some() == has_scan).then_some(header)
    }

    fn read_quantization(&mut self, body: &[u8]) -> Option<()> {
        let tables = body.chunks_exact(QUANTIZATION_BYTES);
        if body.is_empty() || !tables.remainder().is_empty() {
            return None;
        }
        for table in tables {
            let place = self.quantization.get_mut(usize::from(table[0] & 15))?;
            *place = Some(table.to_vec());
        }
        Some(())
    }

    /// One marker can have several tables. The first counts for all, as in libtiff.
    fn read_codes(&mut self, body: &[u8]) -> Option<()> {
        let number = *body.first()?;
        let tables = match number >> 4 {
            0 => &mut self.dc,
            1 => &mut self.ac,
            _ => return None,
        };
        *tables.get_mut(usize::from(number & 15))? = Some(body.to_vec());
        Some(())
    }

    fn read_scan(&mut self, body: &[u8]) -> Option<()> {
        let (&count, samples) = body.split_first()?;
        if usize::from(count) != SAMPLES || body.len() != SCAN_BYTES {
            return None;
        }
        for (sample, bytes) in self.scan.iter_mut().zip(samples.chunks_exact(2)) {
            *sample = ScanSample {
                name: bytes[0],
                tables: bytes[1],
            };
        }
        Some(())
    }

    /// Appends the header, with a restart interval unless it is 0.
    pub(super) fn write(&self, interval: u16, stream: &mut Vec<u8>) {
        for table in self.quantization.iter().flatten() {
            write_segment(QUANTIZATION, table, stream);
        }
        for table in self.dc.iter().chain(&self.ac).flatten() {
            write_segment(CODES, table, stream);
        }
        if interval != 0 {
            write_segment(RESTART, &interval.to_be_bytes(), stream);
        }
        if let Some(frame) = &self.frame {
            write_segment(frame.marker, &frame.body(), stream);
        }
        let mut scan = vec![SAMPLES as u8];
        scan.extend(self.scan.iter().flat_map(|scan| [scan.name, scan.tables]));
        // All coefficients, with all bits.
        scan.extend([0, 63, 0]);
        write_segment(SCAN, &scan, stream);
    }
}

impl Frame {
    fn read(marker: u8, body: &[u8]) -> Option<Self> {
        if body.len() != FRAME_BYTES || body[0] != SAMPLE_BITS || usize::from(body[5]) != SAMPLES {
            return None;
        }
        let mut frame = Self {
            marker,
            height: u16::from_be_bytes([body[1], body[2]]),
            width: u16::from_be_bytes([body[3], body[4]]),
            samples: Default::default(),
        };
        for (sample, bytes) in frame.samples.iter_mut().zip(body[6..].chunks_exact(3)) {
            *sample = FrameSample {
                name: bytes[0],
                sampling: bytes[1],
                quantization: bytes[2],
            };
        }
        Some(frame)
    }

    /// A frame whose colours are stored once for each block of (columns, rows) pixels. The samples have the names 0, 1
    /// and 2.
    pub(super) fn of_tags(width: u32, height: u32, (columns, rows): (u8, u8)) -> Option<Self> {
        let sample = |name: u8| FrameSample {
            name,
            sampling: if name == 0 {
                (columns << 4) | rows
            } else {
                0x11
            },
            quantization: 0,
        };
        Some(Self {
            marker: BASELINE,
            height: height.try_into().ok()?,
            width: width.try_into().ok()?,
            samples: [sample(0), sample(1), sample(2)],
        })
    }

    /// How many (columns, rows) of pixels share their colour. A frame needs the width of the strips or tiles, the rows of
    /// the image, and a way to share colours that TIFF has. Others give `None`.
    pub(super) fn sampling(&self, width: u32, least_rows: u32) -> Option<(u32, u32)> {
        let [brightness, blue, red] = self.samples.map(|sample| u32::from(sample.sampling));
        let (columns, rows) = (brightness >> 4, brightness & 15);
        let is_usual = matches!(columns, 1 | 2 | 4) && matches!(rows, 1 | 2 | 4);
        let fits = u32::from(self.width) == width && u32::from(self.height) >= least_rows;
        (fits && is_usual && blue == 0x11 && red == 0x11).then_some((columns, rows))
    }

    fn body(&self) -> Vec<u8> {
        let mut body = vec![SAMPLE_BITS];
        body.extend(self.height.to_be_bytes());
        body.extend(self.width.to_be_bytes());
        body.push(SAMPLES as u8);
        for sample in self.samples {
            body.extend([sample.name, sample.sampling, sample.quantization]);
        }
        body
    }
}

/// A body has less than 64 KiB: it comes from a segment, or is one table.
fn write_segment(marker: u8, body: &[u8], stream: &mut Vec<u8>) {
    stream.extend([0xff, marker]);
    stream.extend((body.len() as u16 + 2).to_be_bytes());
    stream.extend(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with all parts, without compressed pixels.
    fn header() -> Vec<u8> {
        let mut header = JpegHeader::default();
        header.quantization[0] = Some(vec![0; QUANTIZATION_BYTES]);
        header.dc[0] = Some(vec![0x00, 1, 2]);
        header.ac[1] = Some(vec![0x11, 3]);
        header.frame = Frame::of_tags(40, 30, (2, 1));
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xff, 0xe0, 0, 4, 1, 2];
        header.write(4, &mut bytes);
        bytes
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let mut bytes = header();
        let length = bytes.len();
        bytes.extend([1, 2, 3]);
        let read = JpegHeader::read(&bytes).unwrap();
        assert_eq!(read.length, length);
        assert_eq!(read.restart_interval, Some(4));
        assert_eq!(read.dc[0].as_deref(), Some(&[0, 1, 2][..]));
        assert_eq!(read.ac[1].as_deref(), Some(&[0x11, 3][..]));
        let mut again = Vec::new();
        read.write(4, &mut again);
        // Without the start and the marker of a program.
        assert_eq!(again, bytes[9..length]);
    }

    #[test]
    fn a_part_of_a_header_is_none() {
        let bytes = header();
        for length in 0..bytes.len() {
            assert_eq!(JpegHeader::read(&bytes[..length]), None, "{length}");
        }
        assert_eq!(JpegHeader::read(&[7]), Some(JpegHeader::default()));
        // A progressive frame.
        let mut progressive = header();
        let frame = progressive.iter().rposition(|&byte| byte == BASELINE);
        progressive[frame.unwrap()] = 0xc2;
        assert_eq!(JpegHeader::read(&progressive), None);
    }

    #[test]
    fn frames_of_other_sizes_and_kinds_do_not_fit() {
        let frame = Frame::of_tags(40, 30, (2, 1)).unwrap();
        assert_eq!(frame.sampling(40, 30), Some((2, 1)));
        assert_eq!(frame.sampling(40, 29), Some((2, 1)));
        assert_eq!(frame.sampling(40, 31), None);
        assert_eq!(frame.sampling(41, 30), None);
        assert_eq!(
            Frame::of_tags(40, 30, (3, 1)).unwrap().sampling(40, 30),
            None
        );
        assert_eq!(Frame::of_tags(1 << 16, 30, (2, 1)), None);
    }
}
