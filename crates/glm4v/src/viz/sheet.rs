use image::RgbImage;
use image::imageops::{FilterType, replace, resize};

/// The sheet is about this wide and high at most, in pixels.
const SIDE: u32 = 4096;

/// A grid of frames, which all have the same size. They are shrunk if the sheet would be wider or higher than about 4,096
/// pixels.
///
/// # Panics
/// If there is no frame.
#[must_use]
pub fn sheet(frames: &[RgbImage]) -> RgbImage {
    let (width, height) = frames[0].dimensions();
    let columns = columns(frames.len() as u32, width, height);
    let rows = (frames.len() as u32).div_ceil(columns);
    let larger = (columns * width).max(rows * height);
    let share = f64::from(SIDE.min(larger)) / f64::from(larger);
    let side = |pixels: u32| ((f64::from(pixels) * share) as u32).max(1);
    let (width, height) = (side(width), side(height));
    let mut sheet = RgbImage::new(columns * width, rows * height);
    for (index, frame) in (0..).zip(frames) {
        let frame = resize(frame, width, height, FilterType::Triangle);
        let (column, row) = (index % columns, index / columns);
        replace(
            &mut sheet,
            &frame,
            i64::from(column * width),
            i64::from(row * height),
        );
    }
    sheet
}

/// The number of columns that makes the sheet closest to a square.
fn columns(count: u32, width: u32, height: u32) -> u32 {
    let elongation = |columns: &u32| {
        let sheet_width = u64::from(columns * width);
        let sheet_height = u64::from(count.div_ceil(*columns) * height);
        1000 * sheet_width.max(sheet_height) / sheet_width.min(sheet_height)
    };
    (1..=count).min_by_key(elongation).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn one_frame_fills_the_sheet() {
        let frame = RgbImage::from_fn(6, 4, |x, y| Rgb([x as u8, y as u8, 7]));
        assert_eq!(sheet(std::slice::from_ref(&frame)), frame);
    }

    #[test]
    fn frames_are_placed_in_rows() {
        let frames = [1, 2, 3, 4, 5].map(|level| RgbImage::from_pixel(20, 10, Rgb([level; 3])));
        let sheet = sheet(&frames);
        assert_eq!(sheet.dimensions(), (40, 30));
        assert_eq!(sheet.get_pixel(25, 15), &Rgb([4; 3]));
        assert_eq!(sheet.get_pixel(25, 25), &Rgb([0; 3]));
    }

    #[test]
    fn a_large_sheet_is_shrunk() {
        let frames = vec![RgbImage::new(400, 200); 300];
        let (width, height) = sheet(&frames).dimensions();
        assert!(
            width.max(height) <= SIDE && width.min(height) > SIDE / 2,
            "{width}×{height}"
        );
    }
}
