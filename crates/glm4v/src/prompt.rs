//! What stands in a prompt for a picture or a clip.
//!
//! transformers' processors write these strings where the chat template has put `<|image|>` or `<|video|>`; the
//! tokenizer makes of each `<|image|>` one token, and [`scatter`](crate::scatter) puts one embedding in its place. Clips
//! use the same placeholder as pictures.

use glm4v_config::{GridThw, SamplingRule};

/// The placeholder of one embedding; `image_token_id` of `config.json` is its token.
pub const IMAGE: &str = "<|image|>";

/// A picture: begin, as many placeholders as it has tokens, end (`replace_image_token` of transformers 5.23 within
/// what the chat template writes around it).
#[must_use]
pub fn image(grid: GridThw, spatial_merge_size: usize) -> String {
    let placeholders = IMAGE.repeat(grid.num_tokens(spatial_merge_size));
    format!("<|begin_of_image|>{placeholders}<|end_of_image|>")
}

/// A clip: each temporal patch as a picture, followed by its time (`replace_video_token` of transformers' 5.23
/// `Glm4vProcessor`, which cuts seconds to integers, and of its `Glm46VProcessor`, which writes them with one decimal).
/// `timestamps` are those of [`Clip`](crate::Clip), one a temporal patch, in seconds.
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
        SamplingRule::Glm46v => format!("{frame}{seconds:.1} seconds"),
    });
    let frames: String = frames.collect();
    format!("<|begin_of_video|>{frames}<|end_of_video|>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_placeholder_a_token() {
        let prompt = image(GridThw::new(1, 4, 6), 2);
        assert_eq!(prompt.matches(IMAGE).count(), 6);
        assert!(
            prompt.starts_with("<|begin_of_image|><|image|>"),
            "{prompt}"
        );
        assert!(prompt.ends_with("<|image|><|end_of_image|>"), "{prompt}");
    }

    /// Printed by `Glm4vProcessor.replace_frame_token_id` and `Glm46VProcessor`'s.
    #[test]
    fn a_clip_names_the_time_of_each_temporal_patch() {
        let frame = "<|begin_of_image|><|image|><|end_of_image|>";
        let prompt = |rule| video(GridThw::new(2, 2, 2), &[0.25, 1.96], rule, 2);
        assert_eq!(
            prompt(SamplingRule::Glm4v),
            format!("<|begin_of_video|>{frame}0{frame}1<|end_of_video|>")
        );
        assert_eq!(
            prompt(SamplingRule::Glm46v),
            format!("<|begin_of_video|>{frame}0.2 seconds{frame}2.0 seconds<|end_of_video|>")
        );
    }
}
