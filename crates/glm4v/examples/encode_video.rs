//! Encodes one video, and prints what the prompt says about it: `cargo run --example encode_video [VIDEO]`.
//!
//! Video files need ffmpeg. Animated images and folders of frames do not.

use anyhow::Context;
use glm4v::{LoadOptions, Preset, VisionEncoder, prompt};

const VIDEO: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/images/animated.gif"
);

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or(VIDEO.to_owned());
    let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
    let item = encoder
        .encode_paths([&path])
        .next()
        .context("one input")??;
    let frames = item.input.frames.context("not a video")?;
    println!(
        "{path}: frames {:?} of {}, embeddings {:?}",
        frames.indices,
        frames.metadata.num_frames,
        item.embeddings.tensor.dims()
    );
    let text = prompt::video(
        item.input.grid,
        &frames.timestamps,
        encoder
            .processor()
            .video()?
            .config()
            .sampling
            .video_processor_type,
        encoder.config().spatial_merge_size,
    );
    println!("the prompt: {}", text.replace(prompt::IMAGE, "·"));
    Ok(())
}
