//! Embeddings or hidden states as colors.
//!
//! ```
//! use glm4v::viz::{colors, principal_components};
//! use ndarray::Array2;
//!
//! let rows = Array2::from_shape_fn((12, 256), |(row, column)| ((row * column) as f32).sin());
//! let rgb = colors(principal_components(rows.view(), 3).view()); // one color a row
//! assert_eq!(rgb.len(), 12);
//! ```

mod sheet;

use image::RgbImage;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

pub use self::sheet::sheet;

/// The most iterations. Well-separated components converge in a dozen.
const ITERATIONS: usize = 100;
/// The iteration has converged when it changes no direction by more than this.
const CONVERGED: f32 = 1e-5;

/// The first `count` principal components of `rows`, in order of their variance. The largest deviation of each component
/// is positive.
///
/// # Shapes
/// - rows: `[rows, width]`
/// - output: `[rows, count]`
///
/// # Panics
/// If there are fewer rows or columns than components, or if a value is not finite.
#[must_use]
pub fn principal_components(rows: ArrayView2<'_, f32>, count: usize) -> Array2<f32> {
    assert!(
        rows.nrows() >= count && rows.ncols() >= count,
        "{count} components of {:?}",
        rows.shape()
    );
    assert!(
        rows.iter().all(|value| value.is_finite()),
        "rows must be finite"
    );
    let mean = rows.sum_axis(Axis(0)) / rows.nrows() as f32;
    let centred = &rows - &mean;
    // Any start works that is not orthogonal to a component.
    let start = |(column, component): (usize, usize)| ((7 * column + component) as f32).sin();
    let mut directions = Array2::from_shape_fn((rows.ncols(), count), start);
    orthonormalize(&mut directions);
    for _ in 0..ITERATIONS {
        let mut next = centred.t().dot(&centred.dot(&directions));
        orthonormalize(&mut next);
        let cosines = (&next * &directions).sum_axis(Axis(0));
        directions = next;
        if cosines.iter().all(|cosine| 1.0 - cosine.abs() < CONVERGED) {
            break;
        }
    }
    let mut components = centred.dot(&directions);
    for mut component in components.columns_mut() {
        let larger = |largest: f32, &value: &f32| match value.abs() > largest.abs() {
            true => value,
            false => largest,
        };
        let extreme = component.iter().fold(0.0, larger);
        component *= extreme.signum();
    }
    components
}

/// Three components as red, green and blue. The lowest and the highest percent of each component are clipped, and the rest
/// spans all levels.
///
/// # Shapes
/// - components: `[rows, 3]`
#[must_use]
pub fn colors(components: ArrayView2<'_, f32>) -> Vec<[u8; 3]> {
    let ranges: Vec<(f32, f32)> = components.columns().into_iter().map(range).collect();
    let level = |value: f32, (low, high): (f32, f32)| {
        let share = match high > low {
            true => (value - low) / (high - low),
            false => 0.5,
        };
        (share.clamp(0.0, 1.0) * 255.0).round() as u8
    };
    let rows = components.rows().into_iter();
    rows.map(|row| std::array::from_fn(|index| level(row[index], ranges[index])))
        .collect()
}

/// Mixes `colors`, one for each of `h` × `w` places of `image`, into the image. With an `opacity` of 1, only the colors are
/// left.
///
/// # Panics
/// If there are not `h` · `w` colors.
pub fn overlay(image: &mut RgbImage, colors: &[[u8; 3]], (h, w): (usize, usize), opacity: f32) {
    assert_eq!(colors.len(), h * w, "the number of colors");
    let (width, height) = (image.width() as usize, image.height() as usize);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let color = colors[y as usize * h / height * w + x as usize * w / width];
        for (level, color) in pixel.0.iter_mut().zip(color) {
            let mixed = f32::from(*level) * (1.0 - opacity) + f32::from(color) * opacity;
            *level = mixed.round() as u8;
        }
    }
}

fn range(values: ArrayView1<'_, f32>) -> (f32, f32) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let cut = sorted.len() / 100;
    match sorted.get(cut..sorted.len() - cut) {
        Some([low, .., high]) => (*low, *high),
        _ => (0.0, 0.0),
    }
}

/// Makes the columns orthogonal and of length 1, or 0 if they depend on one another. Gram-Schmidt runs twice against rounding.
fn orthonormalize(columns: &mut Array2<f32>) {
    for index in 0..columns.ncols() {
        let (before, mut rest) = columns.view_mut().split_at(Axis(1), index);
        let mut column = rest.column_mut(0);
        for _ in 0..2 {
            for earlier in before.columns() {
                let share = earlier.dot(&column);
                column.scaled_add(-share, &earlier);
            }
        }
        let length = column.dot(&column).sqrt();
        if length > f32::MIN_POSITIVE {
            column /= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// Rows along three of six orthogonal directions, with very different lengths, away from the origin.
    fn cloud() -> (Array2<f32>, Array2<f32>) {
        let directions = array![
            [0.0, 0.6, 0.0, 0.8, 0.0, 0.0],
            [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, -1.0, 0.0],
        ];
        let spread = |row: usize, component: usize| {
            let wave = ((row * (component + 2)) as f32 * std::f32::consts::TAU / 40.0).cos();
            wave * [9.0, 3.0, 0.5][component]
        };
        let shares = Array2::from_shape_fn((40, 3), |(row, component)| spread(row, component));
        (shares.dot(&directions) + 5.0, shares)
    }

    #[test]
    fn components_are_found_in_order_of_their_spread() {
        let (rows, shares) = cloud();
        let found = principal_components(rows.view(), 3);
        for (found, share) in found.columns().into_iter().zip(shares.columns()) {
            let same = found.iter().zip(share).all(|(a, b)| (a - b).abs() < 1e-3);
            let negated = found.iter().zip(share).all(|(a, b)| (a + b).abs() < 1e-3);
            assert!(same || negated, "{found} {share}");
        }
    }

    #[test]
    fn equal_rows_have_no_components_and_one_gray() {
        let found = principal_components(Array2::from_elem((4, 5), 2.0).view(), 3);
        assert_eq!(found, Array2::<f32>::zeros((4, 3)));
        assert_eq!(colors(found.view()), [[128; 3]; 4]);
    }

    #[test]
    fn each_place_of_an_overlay_has_its_color() {
        let mut image = RgbImage::from_pixel(4, 2, image::Rgb([100, 0, 200]));
        overlay(&mut image, &[[0; 3], [200, 100, 0]], (1, 2), 0.25);
        assert_eq!(image.get_pixel(1, 1).0, [75, 0, 150]);
        assert_eq!(image.get_pixel(2, 0).0, [125, 25, 150]);
    }

    #[test]
    fn colors_span_all_levels() {
        let components = Array2::from_shape_fn((5, 3), |(row, _)| row as f32);
        let levels: Vec<u8> = colors(components.view()).iter().map(|rgb| rgb[0]).collect();
        assert_eq!(levels, [0, 64, 128, 191, 255]);
    }
}
