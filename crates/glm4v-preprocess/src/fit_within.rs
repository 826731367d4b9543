use glm4v_config::TokenLimits;

use crate::PreprocessError;
use crate::smart_resize::check_sides;

/// Where a frame is drawn. Both sizes are (height, width) in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The size of the whole image. Black fills it at the right of the content and below it.
    pub canvas: (usize, usize),
    /// The size of the resized frame.
    pub content: (usize, usize),
}

/// The canvas and the content of `num_frames` frames of `height` × `width` pixels: the `smart_resize`
/// and the `resize` of `Glm5NextImageProcessor` and `Glm5NextVideoProcessor` in transformers 5.23.
///
/// The sides of the canvas are multiples of `factor`. A token is a square of that side over `temporal_factor` frames, and
/// all frames together have about `limits` tokens. The content has the frame's shape, and is as large as the canvas allows.
/// Frames that have enough pixels are not enlarged.
///
/// The arithmetic is the reference's: in doubles, rounding half to even. Any shape is accepted.
///
/// # Errors
/// [`PreprocessError::Size`] for a side, a factor or a number of frames of 0, and for a maximum that is less than one token
/// for each temporal patch.
pub fn fit_within(
    num_frames: usize,
    height: usize,
    width: usize,
    temporal_factor: usize,
    factor: usize,
    limits: TokenLimits,
) -> Result<Fit, PreprocessError> {
    check(num_frames, height, width, temporal_factor, factor)?;
    let frame = Frame {
        height: height as f64,
        width: width as f64,
        side: factor as f64,
    };
    let temporal = temporal_factor as f64;
    let token = temporal * frame.side * frame.side;
    let min = limits.min_image_tokens as f64 * token;
    let max = limits.max_image_tokens as f64 * token;
    let frames = num_frames as f64;
    let pixels = frames * frame.height * frame.width;

    let aligned_frames = ((frames / temporal).round_ties_even() * temporal).max(temporal);
    let budget = |(height, width): (f64, f64)| aligned_frames * height * width;
    let mut canvas = (frame.align(frame.height), frame.align(frame.width));
    if budget(canvas) < min {
        let scale = (min / pixels).sqrt();
        canvas = (
            frame.align((frame.height * scale).ceil()),
            frame.align((frame.width * scale).ceil()),
        );
    }
    if budget(canvas) > max {
        let found = format!("{} tokens", limits.max_image_tokens);
        canvas = frame.largest(|size| budget(size) <= max).ok_or_else(|| {
            let expected = format!(
                "a maximum of at least {} tokens for {num_frames} frames",
                aligned_frames / temporal
            );
            PreprocessError::size(expected, found)
        })?;
    }
    let content = frame.content(canvas, pixels >= min);
    let whole = |(height, width): (f64, f64)| (height as usize, width as usize);
    Ok(Fit {
        canvas: whole(canvas),
        content: whole(content),
    })
}

/// The size of a frame, and the side of a token.
struct Frame {
    height: f64,
    width: f64,
    side: f64,
}

impl Frame {
    /// The multiple of a token's side that is at least `length` pixels.
    fn align(&self, length: f64) -> f64 {
        (length.max(1.0) / self.side).ceil() * self.side
    }

    /// The largest canvas that `fits`, among those of the frame scaled to each height in whole pixels. `None` where not
    /// even one token fits.
    fn largest(&self, fits: impl Fn((f64, f64)) -> bool) -> Option<(f64, f64)> {
        let mut best = (self.side, self.side);
        if !fits(best) {
            return None;
        }
        let (mut low, mut high) = (1.0, self.height);
        while low <= high {
            let height = ((low + high) / 2.0_f64).floor();
            let width = (self.width * height / self.height).floor();
            let canvas = (self.align(height), self.align(width));
            if fits(canvas) {
                best = canvas;
                low = height + 1.0;
            } else {
                high = height - 1.0;
            }
        }
        Some(best)
    }

    /// The size of the frame in the canvas.
    fn content(&self, canvas: (f64, f64), is_large: bool) -> (f64, f64) {
        let scale = (canvas.0 / self.height).min(canvas.1 / self.width);
        let scale = if is_large { scale.min(1.0) } else { scale };
        let side = |length: f64, most: f64| (length * scale).floor().min(most).max(1.0);
        (side(self.height, canvas.0), side(self.width, canvas.1))
    }
}

fn check(
    num_frames: usize,
    height: usize,
    width: usize,
    temporal_factor: usize,
    factor: usize,
) -> Result<(), PreprocessError> {
    check_sides(height, width)?;
    if factor == 0 || temporal_factor == 0 || num_frames == 0 {
        let found = format!("{factor}, {temporal_factor} and {num_frames}");
        return Err(PreprocessError::size(
            "factors and a number of frames of at least 1",
            found,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sizes = ((usize, usize), (usize, usize));

    fn image(height: usize, width: usize, min: usize, max: usize) -> Sizes {
        let limits = TokenLimits {
            min_image_tokens: min,
            max_image_tokens: max,
        };
        let fit = fit_within(2, height, width, 2, 28, limits).unwrap();
        (fit.canvas, fit.content)
    }

    #[test]
    fn a_frame_within_the_limits_keeps_its_size() {
        assert_eq!(image(100, 60, 1, 99), ((112, 84), (100, 60)));
        assert_eq!(image(56, 84, 1, 99), ((56, 84), (56, 84)));
        assert_eq!(image(1, 5601, 1, 999), ((28, 5628), (1, 5601)));
    }

    #[test]
    fn a_small_frame_is_enlarged() {
        // 16 tokens of 28²: the sides grow by √(16 · 28² / 20²) = 5.6, to 56 × 224, which is 2 × 8 tokens.
        assert_eq!(image(10, 40, 16, 99), ((56, 224), (56, 224)));
        assert_eq!(image(1, 1, 16, 99), ((112, 112), (112, 112)));
    }

    #[test]
    fn a_large_frame_is_reduced_to_the_canvas() {
        // Nine tokens: the height of 84 is the largest whose width, 84, has three tokens.
        assert_eq!(image(1000, 1000, 1, 9), ((84, 84), (84, 84)));
        let (canvas, content) = image(1000, 500, 1, 9);
        assert_eq!(canvas, (112, 56));
        assert_eq!(content, (112, 56));
    }

    #[test]
    fn refusals_name_the_value() {
        let limits = TokenLimits {
            min_image_tokens: 1,
            max_image_tokens: 3,
        };
        let fit = |frames, height, width| fit_within(frames, height, width, 2, 28, limits);
        assert!(fit(6, 28, 28).is_ok());
        let message = fit(8, 28, 28).unwrap_err().to_string();
        assert!(
            message.contains("at least 4 tokens for 8 frames") && message.ends_with("3 tokens")
        );
        assert!(fit(2, 0, 5).unwrap_err().to_string().contains("5×0 pixels"));
        assert!(fit(0, 5, 5).is_err());
    }
}
