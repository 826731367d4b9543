//! Reads the path of an image or a video from each line of the standard input, and prints its size and a checksum of its
//! pixels. `cargo xtask differential-media` compares them with those of Pillow and torchcodec.
//!
//! A line of a video is `PATH<tab>INDICES`, with the frames to read.

use std::io::{BufRead, Write};
use std::path::Path;

use glm4v_preprocess::{DecodeOptions, PreprocessError, ReadOptions, Source, open_image};
use serde_json::{Value, json};

fn main() -> std::io::Result<()> {
    // A decoder's panic becomes an error; its message would only be noise.
    std::panic::set_hook(Box::new(|_| ()));
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_once('\t') {
            None => image(Path::new(&line)),
            Some((path, indices)) => video(Path::new(path), indices),
        };
        let answer = answer.unwrap_or_else(|error| json!({"error": error.to_string()}));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn image(path: &Path) -> Result<Value, PreprocessError> {
    let image = open_image(path, &DecodeOptions::default())?.into_rgb8();
    let size = [image.width(), image.height()];
    Ok(json!({"size": size, "crc32": crc32fast::hash(&image)}))
}

fn video(path: &Path, indices: &str) -> Result<Value, PreprocessError> {
    let Source::Video(video) = Source::open(path, &ReadOptions::default())? else {
        return Ok(json!({"error": "an image"}));
    };
    let indices: Vec<usize> = indices
        .split(',')
        .filter_map(|index| index.parse().ok())
        .collect();
    let mut checksums = Vec::new();
    for frame in video.frames(&indices)? {
        checksums.push(crc32fast::hash(&frame?));
    }
    let metadata = video.metadata();
    Ok(json!({
        "frames": metadata.num_frames,
        "fps": metadata.fps,
        "duration": metadata.duration,
        "crc32": checksums,
        "warnings": video.warnings(),
    }))
}
