//! What reading holds in memory at most, by what a header says.
//!
//! The sums follow the code: whoever keeps pixels alive for longer, or copies them, changes them here too. The figures
//! beside what was measured are in docs/performance.md.

use image::ImageFormat;
use image::metadata::Orientation;

/// Frames of a clip that are in memory in full size at once, whatever the number of cores: a frame can be of 25 MB. One
/// temporal patch of them, where that is more.
pub(crate) const FRAMES_AT_ONCE: usize = 8;
/// Lines of a JPEG that are decoded, and then resized, at once: enough of them that setting up the filter is little beside
/// using it.
pub(crate) const LINES_AT_ONCE: usize = 128;
/// Bytes of a pixel.
const RGB: u64 = 3;
const RGBA: u64 = 4;
/// Bytes of the coefficients of a pixel, where a JPEG has them all before its first line.
const COEFFICIENTS: u64 = 6;

/// Bytes at most while an input becomes patch rows, which are written at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Before there is any row.
    pub before_rows: u64,
    /// Beside the rows.
    pub beside_rows: u64,
}

impl Held {
    /// What is held more than the `rows` bytes of the rows themselves.
    #[must_use]
    pub fn beyond(self, rows: u64) -> u64 {
        self.before_rows.saturating_sub(rows).max(self.beside_rows)
    }
}

/// While a decoded picture of (height, width) pixels is resized to another size, and rows are made of that. Each pass of
/// resizing holds its source and its result.
#[must_use]
pub fn resizing(from: (usize, usize), to: (usize, usize)) -> Held {
    let first = match from.1 == to.1 {
        true => 0,
        false => frame(from) + frame((from.0, to.1)),
    };
    Held {
        before_rows: frame(from).max(first).max(second_pass(from, to)),
        beside_rows: frame(to),
    }
}

/// While a picture that has its new width already gets its new height.
fn second_pass(from: (usize, usize), to: (usize, usize)) -> u64 {
    match from.0 == to.0 {
        true => frame(to),
        false => frame((from.0, to.1)) + frame(to),
    }
}

/// Bytes while `frames` frames of a clip, of (height, width) pixels, are read by `threads` threads: as many as are in memory
/// at once, and what they are resized to.
#[must_use]
pub fn reading_clip(
    frames: usize,
    temporal: usize,
    from: (usize, usize),
    to: (usize, usize),
    threads: usize,
) -> u64 {
    let run = (FRAMES_AT_ONCE / temporal).max(1) * temporal;
    let frames = frames.min(run) as u64;
    let working = frames.min(threads as u64);
    frames * frame(from) + working * resized(from, to)
}

/// What both passes of resizing make of a frame.
fn resized(from: (usize, usize), to: (usize, usize)) -> u64 {
    let first = match from.1 == to.1 {
        true => 0,
        false => frame((from.0, to.1)),
    };
    let second = match from.0 == to.0 {
        true => 0,
        false => frame(to),
    };
    first + second
}

/// What is held while a picture comes out of its file, which is in memory until its rows are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoding {
    file: u64,
    /// Beside the file, and beside the strips of a picture that comes in strips.
    decoder: u64,
    in_strips: bool,
}

impl Decoding {
    /// Of a picture of (height, width) pixels that takes `decoded` bytes when it comes out of the decoder, and is turned.
    pub(crate) fn whole(
        file: &[u8],
        format: ImageFormat,
        (height, width): (usize, usize),
        decoded: u64,
        orientation: Orientation,
    ) -> Self {
        let area = area(height, width);
        let rgb = RGB * area;
        // What the decoder holds beside its result, and what is held while that becomes RGB.
        let decoder = match format {
            ImageFormat::Jpeg if is_progressive(file) => COEFFICIENTS * area,
            ImageFormat::WebP if file.get(12..16) == Some(b"VP8 ") => 3 * area / 2,
            ImageFormat::WebP => RGBA * area,
            ImageFormat::Tiff => decoded,
            ImageFormat::Gif => area,
            _ => 0,
        };
        let converting = if decoded == rgb { 0 } else { rgb };
        let turning = if is_copied(orientation) { 2 * rgb } else { 0 };
        Self {
            file: file.len() as u64,
            decoder: (decoded + decoder.max(converting)).max(turning),
            in_strips: false,
        }
    }

    /// Of a JPEG whose lines are resized as they come.
    pub(crate) fn in_strips(file: &[u8], (height, width): (usize, usize)) -> Self {
        let coefficients = match is_progressive(file) {
            true => COEFFICIENTS * area(height, width),
            false => 0,
        };
        Self {
            file: file.len() as u64,
            decoder: coefficients,
            in_strips: true,
        }
    }

    /// While the picture, of (height, width) pixels once it is turned, becomes one of another size and then rows.
    pub(crate) fn resizing(self, from: (usize, usize), to: (usize, usize)) -> Held {
        let before_rows = if self.in_strips {
            let strips = match from.1 == to.1 {
                true => 0,
                // One is decoded while another is resized.
                false => 2 * frame((from.0.min(LINES_AT_ONCE), from.1)),
            };
            let arriving = self.decoder + strips + frame((from.0, to.1));
            arriving.max(second_pass(from, to))
        } else {
            self.decoder.max(resizing(from, to).before_rows)
        };
        Held {
            before_rows: self.file + before_rows,
            beside_rows: self.file + frame(to),
        }
    }
}

/// Bytes while a frame of an animated picture is drawn: the file, the canvas, what comes out of the decoder and the copy
/// that becomes a frame.
pub(crate) fn drawing(file: u64, (height, width): (usize, usize)) -> u64 {
    file + 3 * RGBA * area(height, width)
}

/// Bytes of a frame.
fn frame((height, width): (usize, usize)) -> u64 {
    RGB * area(height, width)
}

/// Whether turning lays the picture on its side, which makes another one rather than move the pixels of this one.
pub(crate) fn is_copied(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// Whether a JPEG's coefficients are all there before its first line is: its frame header says so.
fn is_progressive(file: &[u8]) -> bool {
    let mut rest = file.get(2..).unwrap_or_default();
    while let [0xff, marker, after @ ..] = rest {
        match *marker {
            0xc2 | 0xc6 | 0xca | 0xce => return true,
            // Other frames, and the beginning of the pixels.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xda => return false,
            // A byte to fill up.
            0xff => rest = &rest[1..],
            _ => {
                let Some(&length) = after.first_chunk() else {
                    return false;
                };
                let length = usize::from(u16::from_be_bytes(length));
                rest = after.get(length..).unwrap_or_default();
            }
        }
    }
    false
}

fn area(height: usize, width: usize) -> u64 {
    height as u64 * width as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_passes_of_resizing_are_counted() {
        // 100 × 60 → 100 × 30 → 50 × 30.
        let held = |from, to| {
            let Held {
                before_rows,
                beside_rows,
            } = resizing(from, to);
            (before_rows / 3, beside_rows / 3)
        };
        assert_eq!(held((100, 60), (50, 30)), (6000 + 3000, 1500));
        assert_eq!(held((100, 60), (400, 30)), (3000 + 12_000, 12_000));
        assert_eq!(held((100, 60), (50, 60)), (6000 + 3000, 3000));
        assert_eq!(held((100, 60), (100, 60)), (6000, 6000));
        let pixels = resizing((100, 60), (50, 30));
        assert_eq!(pixels.beyond(0), 3 * 9000);
        assert_eq!(pixels.beyond(1000), 3 * 9000 - 1000);
        assert_eq!(pixels.beyond(1 << 20), 3 * 1500);
    }

    #[test]
    fn as_many_frames_are_held_as_are_worked_on() {
        let clip = |frames, temporal| reading_clip(frames, temporal, (10, 20), (10, 20), 2);
        assert_eq!(clip(100, 2), 8 * 600);
        assert_eq!(clip(100, 3), 6 * 600);
        assert_eq!(clip(100, 16), 16 * 600);
        assert_eq!(clip(5, 2), 5 * 600);
        let resized = reading_clip(100, 2, (10, 20), (5, 20), 4);
        assert_eq!(resized, 8 * 600 + 4 * 300);
    }

    #[test]
    fn of_a_picture_in_strips_no_more_is_held_than_two() {
        // 400 × 60 → 400 × 30 → 50 × 30.
        let held = |file: &[u8]| Decoding::in_strips(file, (400, 60)).resizing((400, 60), (50, 30));
        let strips = 3 * 2 * 128 * 60;
        let narrowed = 3 * 400 * 30;
        let expected = Held {
            before_rows: 7 + strips + narrowed,
            beside_rows: 7 + 3 * 1500,
        };
        assert_eq!(held(&[0; 7]), expected);
        let progressive = [0xff, 0xd8, 0xff, 0xc2];
        assert_eq!(
            held(&progressive).before_rows,
            4 + 6 * 24_000 + strips + narrowed
        );
        // Of a low one, the second pass.
        let low = Decoding::in_strips(&[], (4, 60)).resizing((4, 60), (50, 30));
        assert_eq!(low.before_rows, 3 * (4 * 30 + 50 * 30));
    }

    #[test]
    fn a_quarter_turn_takes_a_second_picture() {
        let rgb = 3 * 200;
        let bytes = |orientation, decoded| {
            let size = (10, 20);
            let decoding = Decoding::whole(&[0; 7], ImageFormat::Png, size, decoded, orientation);
            decoding.resizing(size, size).before_rows
        };
        assert_eq!(bytes(Orientation::NoTransforms, rgb), 7 + rgb);
        assert_eq!(bytes(Orientation::Rotate180, rgb), 7 + rgb);
        assert_eq!(bytes(Orientation::Rotate90, rgb), 7 + 2 * rgb);
        assert_eq!(bytes(Orientation::NoTransforms, 800), 7 + 800 + rgb);
        assert_eq!(bytes(Orientation::Rotate90FlipH, 1600), 7 + 1600 + rgb);
    }

    #[test]
    fn a_progressive_jpeg_is_told_by_its_frame() {
        let jpeg = |frame: u8| {
            let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xc2, 1, 2, 0xff, 0xff];
            bytes.extend([frame, 0, 4, 1, 1, 0xff, 0xda]);
            bytes
        };
        assert!(is_progressive(&jpeg(0xc2)));
        assert!(!is_progressive(&jpeg(0xc0)));
        assert!(!is_progressive(&jpeg(0xe0)));
        for length in 0..19 {
            let _ = is_progressive(&jpeg(0xe0)[..length]);
        }
    }
}
