//! Run lengths. Each run is two bytes: a number of pixels and their indices. The number 0 starts something else.

use image::RgbImage;

use super::code::Code;
use super::failed;
use super::layout::Layout;
use super::palette::Palette;
use crate::PreprocessError;

const END_OF_ROW: u8 = 0;
const END: u8 = 1;
const SKIP: u8 = 2;

/// What to make of pixels that are missing or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// As in Pillow: a row without pixels does not count, and a run ends with its row.
    Pillow,
    /// A row without pixels has the index 0, and a run that is longer than its row is an error.
    Strict,
}

impl Reading {
    /// Checks a run that ends before a column of a row of `width` pixels.
    fn check(self, end: usize, width: usize) -> Result<(), PreprocessError> {
        match self {
            Self::Strict if end > width => Err(failed("a run of pixels is longer than its row")),
            Self::Strict | Self::Pillow => Ok(()),
        }
    }
}

/// Decodes as Pillow does. Pillow refuses an image that ends early, or that has rows without pixels. Such an image is
/// decoded strictly. Pixels behind its end have the index 0.
pub(super) fn decode(
    layout: &Layout,
    code: Code,
    palette: &Palette,
) -> Result<RgbImage, PreprocessError> {
    let (width, height) = layout.size;
    let mut image = RgbImage::new(width, height);
    let mut canvas = Canvas::new(&mut image, layout, palette);
    Runs::new(layout, code).draw(&mut canvas, Reading::Pillow)?;
    if !canvas.is_full() {
        canvas.done = 0;
        Runs::new(layout, code).draw(&mut canvas, Reading::Strict)?;
        canvas.fill();
    }
    Ok(image)
}

/// The image, whose rows follow each other in the order of the file.
struct Canvas<'a> {
    pixels: &'a mut [[u8; 3]],
    palette: &'a Palette,
    width: usize,
    is_top_down: bool,
    /// Pixels that are drawn or skipped.
    done: usize,
}

impl<'a> Canvas<'a> {
    fn new(image: &'a mut RgbImage, layout: &Layout, palette: &'a Palette) -> Self {
        Self {
            pixels: image.as_chunks_mut().0,
            palette,
            width: layout.size.0 as usize,
            is_top_down: layout.is_top_down,
            done: 0,
        }
    }

    fn column(&self) -> usize {
        self.done % self.width
    }

    fn left(&self) -> usize {
        self.pixels.len() - self.done
    }

    fn is_full(&self) -> bool {
        self.left() == 0
    }

    /// Draws indices. Those behind the end of the image are dropped.
    fn push(&mut self, indices: impl Iterator<Item = u8>) {
        for index in indices.take(self.left()) {
            let (row, column) = (self.done / self.width, self.column());
            let start = match self.is_top_down {
                true => row * self.width,
                false => self.pixels.len() - (row + 1) * self.width,
            };
            self.pixels[start + column] = self.palette.color(index);
            self.done += 1;
        }
    }

    fn skip(&mut self, pixels: usize) {
        self.push(std::iter::repeat_n(0, pixels));
    }

    fn fill(&mut self) {
        self.skip(self.left());
    }
}

struct Runs<'a> {
    bytes: &'a [u8],
    code: Code,
    /// Whether the next byte has an even place in the file.
    is_even: bool,
}

impl<'a> Runs<'a> {
    fn new(layout: &Layout<'a>, code: Code) -> Self {
        Self {
            bytes: layout.pixels,
            code,
            is_even: layout.starts_even,
        }
    }

    /// Draws until the image is full, or until its end is marked.
    fn draw(mut self, canvas: &mut Canvas, reading: Reading) -> Result<(), PreprocessError> {
        let width = canvas.width;
        // Beyond the width behind pixels that reach into the next row.
        let mut column = 0;
        while !canvas.is_full() {
            match self.pair()? {
                [0, END_OF_ROW] => {
                    let is_empty = canvas.column() == 0 && column == 0;
                    if canvas.column() != 0 || is_empty && reading == Reading::Strict {
                        canvas.skip(width - canvas.column());
                    }
                    column = 0;
                }
                [0, END] => break,
                [0, SKIP] => {
                    let [right, down] = self.pair()?.map(usize::from);
                    canvas.skip(right.saturating_add(down.saturating_mul(width)));
                    column = canvas.column();
                }
                [0, count] => {
                    reading.check(column + usize::from(count), width)?;
                    let pixels = usize::from(count).min(canvas.left());
                    let bytes = self.take(self.code.bytes(pixels))?;
                    let indices = bytes.iter().flat_map(|&byte| self.code.indices(byte));
                    canvas.push(indices.take(pixels));
                    column += usize::from(count);
                    if !self.is_even {
                        // At the end of the file, the next pair is missing.
                        let _ = self.take(1);
                    }
                }
                [count, byte] => {
                    reading.check(column + usize::from(count), width)?;
                    let pixels = usize::from(count).min(width.saturating_sub(column));
                    canvas.push(self.code.indices(byte).cycle().take(pixels));
                    column += pixels;
                }
            }
        }
        Ok(())
    }

    fn pair(&mut self) -> Result<[u8; 2], PreprocessError> {
        let pair = self.take(2)?;
        Ok([pair[0], pair[1]])
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PreprocessError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or_else(|| failed("the file ends before its last pixel"))?;
        self.bytes = rest;
        self.is_even ^= count % 2 == 1;
        Ok(taken)
    }
}
