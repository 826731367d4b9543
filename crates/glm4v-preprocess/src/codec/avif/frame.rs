//! Frames of AV1.

use re_rav1d::dav1d::{Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Settings};

use super::coding::Coding;
use super::{failed, sequence};
use crate::PreprocessError;

/// Frames in the data of an image, at most. Layers of a progressive image are up to four.
const MAX_FRAMES: usize = 8;

/// A decoded frame.
pub(super) struct Frame {
    /// (width, height).
    pub(super) size: (usize, usize),
    pub(super) bits: u32,
    pub(super) layout: PixelLayout,
    /// As the frame itself names it.
    pub(super) coding: Coding,
    /// Brightness, and two colour differences unless the frame is gray.
    pub(super) planes: Vec<Plane>,
}

/// One plane of a frame, without padding.
#[derive(Clone)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) samples: Vec<u16>,
}

impl Plane {
    pub(super) fn row(&self, y: usize) -> &[u16] {
        &self.samples[y * self.width..][..self.width]
    }
}

impl Frame {
    /// Decodes the first frame of AV1 data, which must have this size.
    pub(super) fn decode(data: Vec<u8>, size: (u32, u32)) -> Result<Self, PreprocessError> {
        if data.is_empty() {
            return Err(failed("an image without data"));
        }
        // The decoder decodes all frames before the first that is shown. A small file can have very many.
        if sequence::frames(&data) > MAX_FRAMES {
            return Err(failed(format!("an image of more than {MAX_FRAMES} frames")));
        }
        // A frame that is larger than its header says would take more memory than planned.
        let max_pixels = u64::from(size.0) * u64::from(size.1);
        let coding = sequence::coding(&data).unwrap_or(Coding::UNTOLD);
        let mut settings = Settings::new();
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        settings.set_all_layers(false);
        settings.set_frame_size_limit(u32::try_from(max_pixels).unwrap_or(u32::MAX));
        let mut decoder = Decoder::with_settings(&settings).map_err(failed)?;
        let mut sent = decoder.send_data(data, None, None, None);
        loop {
            match decoder.get_picture() {
                Ok(picture) if (picture.width(), picture.height()) == size => {
                    return Ok(Self::of(&picture, coding));
                }
                Ok(_) => return Err(failed("a frame does not have the size in its header")),
                Err(error) if !error.is_again() => return Err(failed(error)),
                Err(_) => {}
            }
            match sent {
                Ok(()) => return Err(failed("the image ends before its first frame")),
                Err(Error::Again) => sent = decoder.send_pending_data(),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn of(picture: &Picture, coding: Coding) -> Self {
        use PlanarImageComponent as Component;
        let layout = picture.pixel_layout();
        let size = (picture.width() as usize, picture.height() as usize);
        let colors = plane_size(size, layout);
        let planes = [
            (Component::Y, Some(size)),
            (Component::U, colors),
            (Component::V, colors),
        ];
        let planes = planes.into_iter().filter_map(|(component, size)| {
            let (width, height) = size?;
            let plane = picture.plane(component);
            let stride = picture.stride(component) as usize;
            let wide = picture.bit_depth() > 8;
            let rows = plane.chunks(stride).take(height);
            let samples = rows
                .flat_map(|row| samples(row, wide).take(width))
                .collect();
            Some(Plane { width, samples })
        });
        Self {
            size,
            bits: picture.bit_depth() as u32,
            layout,
            coding,
            planes: planes.collect(),
        }
    }

    /// A blank frame like this one, of another size.
    pub(super) fn blank(&self, size: (usize, usize)) -> Self {
        let colors = plane_size(size, self.layout);
        let sizes = [Some(size), colors, colors].into_iter().flatten();
        let plane = |(width, height): (usize, usize)| Plane {
            width,
            samples: vec![0; width * height],
        };
        Self {
            size,
            bits: self.bits,
            layout: self.layout,
            coding: self.coding,
            planes: sizes.map(plane).collect(),
        }
    }

    /// Draws another frame of the same kind at (left, top), as far as it fits.
    pub(super) fn draw(&mut self, other: &Self, (left, top): (usize, usize)) {
        for (index, (plane, from)) in self.planes.iter_mut().zip(&other.planes).enumerate() {
            let (left, top) = match index {
                0 => (left, top),
                _ => plane_size((left, top), self.layout).unwrap_or((left, top)),
            };
            let width = from.width.min(plane.width.saturating_sub(left));
            let rows = plane.samples.chunks_exact_mut(plane.width).skip(top);
            for (row, from) in rows.zip(from.samples.chunks_exact(from.width)) {
                if let Some(row) = row.get_mut(left..left + width) {
                    row.copy_from_slice(&from[..width]);
                }
            }
        }
    }
}

/// The size of a plane of colour differences; `None` for gray.
fn plane_size((width, height): (usize, usize), layout: PixelLayout) -> Option<(usize, usize)> {
    match layout {
        PixelLayout::I400 => None,
        PixelLayout::I420 => Some((width.div_ceil(2), height.div_ceil(2))),
        PixelLayout::I422 => Some((width.div_ceil(2), height)),
        PixelLayout::I444 => Some((width, height)),
    }
}

/// Samples of one byte, or of two in the machine's order.
fn samples(row: &[u8], wide: bool) -> impl Iterator<Item = u16> {
    let step = if wide { 2 } else { 1 };
    row.chunks_exact(step).map(|sample| match sample {
        &[low, high] => u16::from_ne_bytes([low, high]),
        _ => sample[0].into(),
    })
}
