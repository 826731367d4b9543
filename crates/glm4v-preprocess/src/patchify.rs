use glm4v_config::{GridThw, ImageProcessorConfig};
use image::RgbImage;
use rayon::prelude::*;

use crate::normalize::Levels;
use crate::span::CHANNELS;

/// Cuts frames into patch rows.
pub(crate) struct Patchifier {
    patch: usize,
    frames: usize,
    merge: usize,
    levels: Levels,
}

impl Patchifier {
    /// A row contains `frames` frames.
    pub(crate) fn new(config: &ImageProcessorConfig, frames: usize) -> Self {
        Self {
            patch: config.patch_size,
            frames,
            merge: config.merge_size,
            levels: Levels::new(config),
        }
    }

    /// Values of one patch row: (channel, frame, y, x), x fastest.
    pub(crate) fn row_width(&self) -> usize {
        CHANNELS * self.frames * self.patch * self.patch
    }

    /// Writes the rows of one image or video to `rows`, [t·h·w, `row_width`], in merge-block order: for each temporal
    /// patch, block row and block column, the patches of that block. The last frame is repeated to fill a temporal patch.
    /// Where the grid is larger than the frames, at the right and at the bottom, the pixels are black.
    pub(crate) fn write(&self, frames: &[&RgbImage], grid: GridThw, rows: &mut [f32]) {
        assert_eq!(rows.len(), grid.num_patches() * self.row_width());
        let block_rows = grid.h / self.merge;
        let band = self.merge * grid.w * self.row_width();
        rows.par_chunks_mut(band)
            .enumerate()
            .for_each(|(index, band)| {
                let first = index / block_rows * self.frames;
                self.write_band(frames, first, index % block_rows, band);
            });
    }

    fn write_band(&self, frames: &[&RgbImage], first: usize, block_row: usize, band: &mut [f32]) {
        let block = self.merge * self.merge;
        for (index, row) in band.chunks_exact_mut(self.row_width()).enumerate() {
            let (block_column, inside) = (index / block, index % block);
            let y = (block_row * self.merge + inside / self.merge) * self.patch;
            let x = (block_column * self.merge + inside % self.merge) * self.patch;
            self.write_row(frames, first, y, x, row);
        }
    }

    fn write_row(&self, frames: &[&RgbImage], first: usize, y: usize, x: usize, row: &mut [f32]) {
        let area = self.patch * self.patch;
        for (channel, planes) in row.chunks_exact_mut(self.frames * area).enumerate() {
            for slot in 0..self.frames {
                if slot > 0 && first + slot >= frames.len() {
                    planes.copy_within((slot - 1) * area..slot * area, slot * area);
                } else {
                    let plane = &mut planes[slot * area..][..area];
                    self.write_plane(frames[first + slot], channel, y, x, plane);
                }
            }
        }
    }

    fn write_plane(&self, frame: &RgbImage, channel: usize, y: usize, x: usize, plane: &mut [f32]) {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let levels = self.levels.channel(channel);
        for (line, values) in plane.chunks_exact_mut(self.patch).enumerate() {
            let columns = match y + line < height {
                true => x.min(width)..(x + self.patch).min(width),
                false => 0..0,
            };
            let (inside, outside) = values.split_at_mut(columns.len());
            outside.fill(levels[0]);
            let start = ((y + line) * width + columns.start) * CHANNELS;
            let pixels = frame.as_raw()[start.min(frame.len())..].chunks_exact(CHANNELS);
            for (value, pixel) in inside.iter_mut().zip(pixels) {
                *value = levels[usize::from(pixel[channel])];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn patchifier(patch: usize, frames: usize, merge: usize) -> Patchifier {
        let config = ImageProcessorConfig {
            do_rescale: false,
            do_normalize: false,
            patch_size: patch,
            merge_size: merge,
            ..ImageProcessorConfig::default()
        };
        Patchifier::new(&config, frames)
    }

    /// The level of pixel (x, y) is 10·y + x in red, a hundred more in green, two hundred more in blue.
    fn gradient(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let level = (10 * y + x) as u8;
            Rgb([level, level + 100, level + 200])
        })
    }

    fn written(by: &Patchifier, frames: &[&RgbImage], grid: GridThw) -> Vec<f32> {
        let mut rows = vec![f32::NAN; grid.num_patches() * by.row_width()];
        by.write(frames, grid, &mut rows);
        rows
    }

    #[test]
    fn patches_come_block_by_block() {
        let rows = written(
            &patchifier(1, 1, 2),
            &[&gradient(4, 2)],
            GridThw::new(1, 2, 4),
        );
        let red: Vec<f32> = rows.iter().step_by(3).copied().collect();
        assert_eq!(red, [0.0, 1.0, 10.0, 11.0, 2.0, 3.0, 12.0, 13.0]);
    }

    #[test]
    fn a_row_is_channel_frame_y_x() {
        let rows = written(
            &patchifier(2, 2, 1),
            &[&gradient(2, 2)],
            GridThw::new(1, 1, 1),
        );
        let plane = [0.0, 1.0, 10.0, 11.0];
        let expected: Vec<f32> = [0.0, 0.0, 100.0, 100.0, 200.0, 200.0]
            .iter()
            .flat_map(|offset| plane.map(|level| level + offset))
            .collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_grid_larger_than_the_frame_is_black_at_the_right_and_at_the_bottom() {
        let rows = written(
            &patchifier(2, 1, 1),
            &[&gradient(3, 1)],
            GridThw::new(1, 2, 3),
        );
        let red: Vec<&[f32]> = rows.chunks(12).map(|row| &row[..4]).collect();
        let black = [0.0; 4];
        let expected = [
            [0.0, 1.0, 0.0, 0.0],
            [2.0, 0.0, 0.0, 0.0],
            black,
            black,
            black,
            black,
        ];
        assert_eq!(red, expected);
    }

    #[test]
    fn frames_fill_temporal_patches_and_the_last_is_repeated() {
        let frames = [1, 2, 3].map(|level| RgbImage::from_pixel(1, 1, Rgb([level; 3])));
        let frames = frames.each_ref();
        let rows = written(&patchifier(1, 2, 1), &frames, GridThw::new(2, 1, 1));
        assert_eq!(
            rows,
            [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
        );
    }
}
