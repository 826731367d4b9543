//! The placeholders of images and videos in a prompt, and the embeddings in their place.
//!
//! The chat template writes `<|image|>` or `<|video|>`. The processors of transformers replace these by the strings of
//! [`image()`] and [`video`]. The tokenizer makes one token of each [`IMAGE`], and [`scatter`] puts one embedding in its place.
//! Videos use the same placeholder as images.
//!
//! ```
//! use glm4v::{GridThw, prompt};
//!
//! let text = prompt::image(GridThw::new(1, 4, 6), 2);
//! assert_eq!(text.matches(prompt::IMAGE).count(), 6);
//! ```

mod projection;
mod scatter;

use glm4v_config::{GridThw, SamplingRule};

pub use self::projection::Projection;
pub use self::scatter::scatter;
use crate::Error;

/// The placeholder of one embedding. Its token is `image_token_id` of `config.json`.
pub const IMAGE: &str = "<|image|>";

/// The string of an image: a begin, one placeholder a token, an end.
///
/// This is `replace_image_token` of transformers 5.23 with the text of the chat template around it.
#[must_use]
pub fn image(grid: GridThw, spatial_merge_size: usize) -> String {
    let placeholders = IMAGE.repeat(grid.num_tokens(spatial_merge_size));
    format!("<|begin_of_image|>{placeholders}<|end_of_image|>")
}

/// The string of a video: each temporal patch as an image, followed by its time.
///
/// `timestamps` has one time in seconds a temporal patch. [`SamplingRule::Glm4v`] writes whole seconds, as
/// `Glm4vProcessor` of transformers 5.23 does. The other rules write one decimal, as `Glm46VProcessor` (which GLM-GA uses,
/// too) and `Glm5NextProcessor` do.
#[must_use]
pub fn video(
    grid: GridThw,
    timestamps: &[f64],
    rule: SamplingRule,
    spatial_merge_size: usize,
) -> String {
    let frame = image(GridThw { t: 1, ..grid }, spatial_merge_size);
    let frames = timestamps.iter().map(|&seconds| match rule {
        SamplingRule::Glm4v => format!("{frame}{}", seconds as i64),
        SamplingRule::Glm46v | SamplingRule::Glmga | SamplingRule::Glm5Next => {
            format!("{frame}{seconds:.1} seconds")
        }
    });
    let frames: String = frames.collect();
    format!("<|begin_of_video|>{frames}<|end_of_video|>")
}

fn check_shape(
    what: &'static str,
    fits: bool,
    expected: impl ToString,
    found: &[usize],
) -> Result<(), Error> {
    if fits {
        return Ok(());
    }
    Err(Error::Shape {
        what,
        expected: expected.to_string(),
        found: found.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_one_placeholder_a_token() {
        let prompt = image(GridThw::new(1, 4, 6), 2);
        assert_eq!(prompt.matches(IMAGE).count(), 6);
        assert!(
            prompt.starts_with("<|begin_of_image|><|image|>"),
            "{prompt}"
        );
        assert!(prompt.ends_with("<|image|><|end_of_image|>"), "{prompt}");
    }

    /// Printed by `replace_frame_token_id` of `Glm4vProcessor`, `Glm46VProcessor` and `Glm5NextProcessor`.
    #[test]
    fn a_video_names_the_time_of_each_temporal_patch() {
        let frame = "<|begin_of_image|><|image|><|end_of_image|>";
        let prompt = |rule| video(GridThw::new(2, 2, 2), &[0.25, 1.96], rule, 2);
        assert_eq!(
            prompt(SamplingRule::Glm4v),
            format!("<|begin_of_video|>{frame}0{frame}1<|end_of_video|>")
        );
        let decimals =
            format!("<|begin_of_video|>{frame}0.2 seconds{frame}2.0 seconds<|end_of_video|>");
        for rule in [
            SamplingRule::Glm46v,
            SamplingRule::Glmga,
            SamplingRule::Glm5Next,
        ] {
            assert_eq!(prompt(rule), decimals);
        }
    }
}
