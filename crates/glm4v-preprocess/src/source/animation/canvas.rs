use image::{Rgba, RgbaImage};

use crate::PreprocessError;

/// Frames laid over one another, one step at a time.
pub(crate) trait Composite {
    /// Draws the next frame.
    fn advance(&mut self) -> Result<(), PreprocessError>;

    /// The canvas as a viewer shows it.
    fn canvas(&self) -> &RgbaImage;
}

const CLEAR: Rgba<u8> = Rgba([0; 4]);

/// A canvas, transparent at first.
pub(super) struct Canvas(pub(super) RgbaImage);

/// A part of a canvas. Pixels beyond the canvas are ignored.
#[derive(Clone, Copy, Default)]
pub(super) struct Area {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Canvas {
    pub(super) fn new((width, height): (u32, u32)) -> Self {
        Self(RgbaImage::new(width, height))
    }

    pub(super) fn clear(&mut self, area: Area) {
        self.change(area, |_, _, pixel| *pixel = CLEAR);
    }

    /// Calls `change` with each pixel of an area, and its position in the area.
    pub(super) fn change(&mut self, area: Area, mut change: impl FnMut(u32, u32, &mut Rgba<u8>)) {
        let (width, height) = self.0.dimensions();
        let rows = area.height.min(height.saturating_sub(area.top));
        let columns = area.width.min(width.saturating_sub(area.left));
        for y in 0..rows {
            for x in 0..columns {
                change(x, y, self.0.get_pixel_mut(area.left + x, area.top + y));
            }
        }
    }
}

/// A pixel over another, in libwebp's integer arithmetic.
pub(super) fn over(above: Rgba<u8>, below: Rgba<u8>) -> Rgba<u8> {
    let [cover, under] = [above, below].map(|pixel| u32::from(pixel.0[3]));
    if cover == 0 {
        return below;
    }
    if cover == 255 || under == 0 {
        return above;
    }
    let under = (under * (256 - cover)) >> 8;
    let alpha = cover + under;
    let scale = (1 << 24) / alpha;
    let mix = |channel: usize| {
        let sum = u32::from(above.0[channel]) * cover + u32::from(below.0[channel]) * under;
        ((u64::from(sum) * u64::from(scale)) >> 24) as u8
    };
    Rgba([mix(0), mix(1), mix(2), alpha as u8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_beyond_the_canvas_are_ignored() {
        let mut canvas = Canvas::new((3, 2));
        let area = Area {
            left: 1,
            top: 1,
            width: 65535,
            height: 65535,
        };
        canvas.change(area, |x, y, pixel| *pixel = Rgba([x as u8, y as u8, 7, 9]));
        let changed = canvas.0.pixels().filter(|pixel| pixel.0[3] == 9).count();
        assert_eq!(changed, 2);
        assert_eq!(canvas.0.get_pixel(2, 1), &Rgba([1, 0, 7, 9]));
        canvas.clear(Area { left: 5, ..area });
        assert_eq!(canvas.0.get_pixel(2, 1), &Rgba([1, 0, 7, 9]));
        canvas.clear(area);
        assert!(canvas.0.pixels().all(|pixel| *pixel == CLEAR));
    }

    #[test]
    fn half_a_cover_is_half_of_each() {
        let (red, green) = (Rgba([255, 0, 0, 128]), Rgba([0, 255, 0, 255]));
        // 255 · 128 >> 8 = 127 parts of the one under it.
        assert_eq!(over(red, green), Rgba([127, 126, 0, 255]));
        assert_eq!(over(red, CLEAR), red);
        assert_eq!(over(CLEAR, green), green);
        assert_eq!(over(green, red), green);
    }
}
