//! Subsampled colour differences between their samples, as libyuv rounds them.

use re_rav1d::dav1d::PixelLayout;

use super::frame::{Frame, Plane};

/// A colour difference for every pixel of a row. `read` is applied to the samples first.
pub(super) fn color_row(
    frame: &Frame,
    plane: &Plane,
    y: usize,
    read: impl Fn(u16) -> u32,
) -> Vec<u32> {
    let (width, height) = frame.size;
    let row = |y: usize| -> Vec<u32> { plane.row(y).iter().map(|&sample| read(sample)).collect() };
    // Four times the value between the two nearest samples of a row. At both ends it is that of one sample.
    let between = |row: &[u32], x: usize| {
        let nearest = x / 2;
        let next = match x {
            0 => nearest,
            _ if x == width - 1 => nearest,
            _ if x.is_multiple_of(2) => nearest - 1,
            _ => nearest + 1,
        };
        3 * row[nearest] + row[next]
    };
    match frame.layout {
        PixelLayout::I400 | PixelLayout::I444 => row(y),
        PixelLayout::I422 => {
            let row = row(y);
            (0..width).map(|x| (between(&row, x) + 2) >> 2).collect()
        }
        PixelLayout::I420 => {
            let nearest = row(y / 2);
            let is_edge = y == 0 || (y == height - 1 && !y.is_multiple_of(2));
            if is_edge {
                let levels = (0..width).map(|x| (between(&nearest, x) + 2) >> 2);
                return levels.collect();
            }
            let next = row(match y.is_multiple_of(2) {
                true => y / 2 - 1,
                false => y / 2 + 1,
            });
            let mix = |x: usize| 3 * between(&nearest, x) + between(&next, x);
            (0..width).map(|x| (mix(x) + 8) >> 4).collect()
        }
    }
}

/// The same for 4:2:0, with the nearest sample.
pub(super) fn nearest_row(plane: &Plane, width: usize, y: usize) -> Vec<u32> {
    let row = plane.row(y / 2);
    (0..width).map(|x| row[x / 2].into()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::coding::Coding;
    use super::*;

    fn frame(layout: PixelLayout, size: (usize, usize), colors: (usize, Vec<u16>)) -> Frame {
        let colors = Plane {
            width: colors.0,
            samples: colors.1,
        };
        Frame {
            size,
            bits: 8,
            layout,
            coding: Coding::UNTOLD,
            planes: vec![colors.clone(), colors.clone(), colors],
        }
    }

    #[test]
    fn colours_between_samples_are_interpolated() {
        let one_row = frame(PixelLayout::I422, (4, 1), (2, vec![0, 100]));
        let row = color_row(&one_row, &one_row.planes[1], 0, u32::from);
        assert_eq!(row, [0, 25, 75, 100]);
        let frame = frame(PixelLayout::I420, (3, 3), (2, vec![0, 100, 200, 100]));
        let rows = [0, 1, 2].map(|y| color_row(&frame, &frame.planes[1], y, u32::from));
        // The middle row is three quarters of the upper one.
        assert_eq!(rows, [[0, 25, 100], [50, 63, 100], [150, 138, 100]]);
        assert_eq!(nearest_row(&frame.planes[1], 3, 2), [200, 200, 100]);
    }
}
