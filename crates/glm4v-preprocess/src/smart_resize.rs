use crate::PreprocessError;

const MAX_ASPECT_RATIO: f64 = 200.0;

/// The size, (height, width), to which `num_frames` frames of `height` × `width` pixels are resized.
///
/// Both sides are multiples of `factor`, and the shape stays about the same. All frames together have
/// `min_pixels..=max_pixels` pixels, where the number of frames is rounded to a multiple of `temporal_factor`.
///
/// The arithmetic is the reference's: in doubles, rounding half to even.
///
/// # Errors
/// [`PreprocessError::AspectRatio`] where one side is more than 200 times the other. [`PreprocessError::Size`] for a
/// side or a factor of 0, and for fewer frames than `temporal_factor`.
pub fn smart_resize(
    num_frames: usize,
    height: usize,
    width: usize,
    temporal_factor: usize,
    factor: usize,
    min_pixels: usize,
    max_pixels: usize,
) -> Result<(usize, usize), PreprocessError> {
    check(num_frames, height, width, temporal_factor, factor)?;
    let (frames, side) = (num_frames as f64, factor as f64);
    let refusal = PreprocessError::AspectRatio { height, width };
    let (height, width) = at_least(height as f64, width as f64, side);
    if height.max(width) / height.min(width) > MAX_ASPECT_RATIO {
        return Err(refusal);
    }

    let rounded = |length: f64| (length / side).round_ties_even() * side;
    let temporal = temporal_factor as f64;
    let rounded_frames = (frames / temporal).round_ties_even() * temporal;
    let pixels = rounded_frames * rounded(height) * rounded(width);
    let (min, max) = (min_pixels as f64, max_pixels as f64);
    let sides = if pixels > max {
        let beta = (frames * height * width / max).sqrt();
        [height, width].map(|length| ((length / beta / side).floor() * side).max(side))
    } else if pixels < min {
        let beta = (min / (frames * height * width)).sqrt();
        [height, width].map(|length| (length * beta / side).ceil() * side)
    } else {
        [height, width].map(rounded)
    };
    Ok((sides[0] as usize, sides[1] as usize))
}

/// Scales an image up until no side is under `side`. Fractions of a pixel are cut off.
fn at_least(height: f64, width: f64, side: f64) -> (f64, f64) {
    if height >= side && width >= side {
        return (height, width);
    }
    let scale = (side / height).max(side / width);
    ((height * scale).trunc(), (width * scale).trunc())
}

/// Refuses an image without pixels.
pub(crate) fn check_sides(height: usize, width: usize) -> Result<(), PreprocessError> {
    if height == 0 || width == 0 {
        let found = format!("{width}×{height} pixels");
        return Err(PreprocessError::size("sides of at least 1 pixel", found));
    }
    Ok(())
}

fn check(
    num_frames: usize,
    height: usize,
    width: usize,
    temporal_factor: usize,
    factor: usize,
) -> Result<(), PreprocessError> {
    check_sides(height, width)?;
    if factor == 0 || temporal_factor == 0 {
        let found = format!("{factor} and {temporal_factor}");
        return Err(PreprocessError::size("factors of at least 1", found));
    }
    if num_frames < temporal_factor {
        let expected = format!("at least temporal_patch_size ({temporal_factor}) frames");
        return Err(PreprocessError::size(expected, num_frames.to_string()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(height: usize, width: usize) -> Result<(usize, usize), PreprocessError> {
        smart_resize(2, height, width, 2, 28, 112 * 112, 28 * 28 * 2 * 6144)
    }

    #[test]
    fn sides_become_multiples_of_the_factor() {
        assert_eq!(image(300, 451).unwrap(), (308, 448));
        // 3.5 · 28 and 4.5 · 28: halves go to the even multiple, 4, either way.
        assert_eq!(image(98, 126).unwrap(), (112, 112));
    }

    #[test]
    fn pixels_stay_within_the_limits() {
        assert_eq!(image(3000, 4000).unwrap(), (1876, 2520));
        // 2 · 84² = 14112 is enough, 2 · 56 · 84 = 9408 is not.
        assert_eq!(image(84, 84).unwrap(), (84, 84));
        assert_eq!(image(56, 84).unwrap(), (84, 112));
    }

    #[test]
    fn sides_under_the_factor_are_scaled_up_first() {
        assert_eq!(image(4, 300).unwrap(), (28, 2100));
        assert_eq!(image(1, 1).unwrap(), (84, 84));
    }

    #[test]
    fn frames_count_towards_the_limits() {
        let frames = |count| smart_resize(count, 560, 560, 2, 28, 1, 4 * 560 * 560);
        assert_eq!(frames(4).unwrap(), (560, 560));
        // Half the area each: 560 / √2 is 396, of which 14 · 28 remain.
        assert_eq!(frames(8).unwrap(), (392, 392));
    }

    #[test]
    fn refusals_name_the_value() {
        let message = |result: Result<_, PreprocessError>| result.unwrap_err().to_string();
        assert!(image(28, 5600).is_ok());
        assert!(message(image(28, 5601)).contains("5601×28 pixels: one side"));
        assert!(message(image(0, 5)).contains("found 5×0 pixels"));
        assert!(message(smart_resize(1, 9, 9, 2, 28, 1, 9)).contains("(2) frames, found 1"));
        assert!(smart_resize(1, 9, 9, 1, 0, 1, 9).is_err());
    }
}
