use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, DisposalMethod, MemoryLimit};
use image::{Rgba, RgbaImage};

use super::super::canvas::{Area, Canvas, Composite};
use crate::PreprocessError;

const NAME: &str = "GIF";

/// The frames of a GIF, composited.
pub(crate) struct GifFrames<'a> {
    reader: Decoder<&'a [u8]>,
    max_pixels: u64,
    canvas: Canvas,
    /// What the shown frame leaves behind.
    dispose: DisposalMethod,
    area: Area,
    before: Option<RgbaImage>,
}

impl<'a> GifFrames<'a> {
    pub(crate) fn new(
        bytes: &'a [u8],
        size: (u32, u32),
        max_pixels: u64,
    ) -> Result<Self, PreprocessError> {
        let mut settings = DecodeOptions::new();
        settings.set_color_output(ColorOutput::Indexed);
        settings.allow_unknown_blocks(true);
        // What a frame takes is checked when its size is known.
        settings.set_memory_limit(MemoryLimit::Unlimited);
        Ok(Self {
            reader: settings.read_info(bytes).map_err(failed)?,
            max_pixels,
            canvas: Canvas::new(size),
            dispose: DisposalMethod::Keep,
            area: Area::default(),
            before: None,
        })
    }

    fn dispose(&mut self) {
        match self.dispose {
            DisposalMethod::Any | DisposalMethod::Keep => {}
            DisposalMethod::Background => self.canvas.clear(self.area),
            DisposalMethod::Previous => {
                if let Some(before) = self.before.take() {
                    self.canvas.0 = before;
                }
            }
        }
    }
}

impl Composite for GifFrames<'_> {
    fn advance(&mut self) -> Result<(), PreprocessError> {
        self.dispose();
        let frame = self.reader.next_frame_info().map_err(failed)?;
        let frame = frame.ok_or_else(|| PreprocessError::decode(NAME, "no frame"))?;
        let frame = frame.clone();
        let area = Area {
            left: frame.left.into(),
            top: frame.top.into(),
            width: frame.width.into(),
            height: frame.height.into(),
        };
        let pixels = u64::from(area.width) * u64::from(area.height);
        if pixels > self.max_pixels {
            return Err(PreprocessError::TooLarge {
                what: "pixels",
                limit: self.max_pixels,
                found: format!("a frame of {}×{}", area.width, area.height),
            });
        }
        let mut indices = vec![0; self.reader.buffer_size()];
        self.reader.read_into_buffer(&mut indices).map_err(failed)?;
        let palette = frame.palette.as_deref();
        let palette = palette.or(self.reader.global_palette()).unwrap_or(&[]);
        let (colors, _) = palette.as_chunks::<3>();

        self.before = (frame.dispose == DisposalMethod::Previous).then(|| self.canvas.0.clone());
        self.canvas.change(area, |x, y, pixel| {
            let index = indices[y as usize * area.width as usize + x as usize];
            if frame.transparent != Some(index) {
                let color = colors.get(usize::from(index)).copied();
                let [red, green, blue] = color.unwrap_or_default();
                *pixel = Rgba([red, green, blue, u8::MAX]);
            }
        });
        (self.dispose, self.area) = (frame.dispose, area);
        Ok(())
    }

    fn canvas(&self) -> &RgbaImage {
        &self.canvas.0
    }
}

fn failed(error: DecodingError) -> PreprocessError {
    PreprocessError::decode(NAME, error)
}
