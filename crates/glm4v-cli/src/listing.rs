//! The inputs of a command, as a table and as JSON.

use glm4v::pipeline::InputInfo;
use serde_json::{Value, json};

use crate::table::{self, Table};

/// A table with one line an input. It has a column for frames if there is a video.
pub(crate) fn text(inputs: &[InputInfo]) -> String {
    let has_videos = inputs.iter().any(|input| input.frames.is_some());
    let mut table = Table::default();
    match has_videos {
        true => table.row(&[
            &"input",
            &"width×height",
            &"frames",
            &"grid t×h×w",
            &"tokens",
        ]),
        false => table.row(&[&"input", &"width×height", &"grid t×h×w", &"tokens"]),
    }
    for input in inputs {
        let (name, (height, width), grid) = (&input.name, input.size, input.grid);
        let (size, tokens) = (format!("{width}×{height}"), input.tokens);
        match has_videos {
            true => table.row(&[name, &size, &frames(input), &grid, &tokens]),
            false => table.row(&[name, &size, &grid, &tokens]),
        }
    }
    table.to_string()
}

/// As in `16 of 480, 24.00 a second`; empty for an image.
fn frames(input: &InputInfo) -> String {
    input.frames.as_ref().map_or(String::new(), |frames| {
        let (sampled, metadata) = (frames.indices.len(), &frames.metadata);
        let rate = metadata.fps.map(|fps| format!(", {fps:.2} a second"));
        let (all, rate) = (metadata.num_frames, rate.unwrap_or_default());
        format!("{sampled} of {all}{rate}")
    })
}

/// An array with one object an input.
pub(crate) fn json(inputs: &[InputInfo]) -> Value {
    inputs.iter().map(input_json).collect()
}

pub(crate) fn input_json(input: &InputInfo) -> Value {
    let (height, width) = input.size;
    let frames = input.frames.as_ref().map(|frames| {
        json!({
            "num_frames": frames.metadata.num_frames,
            "fps": frames.metadata.fps,
            "frames_indices": frames.indices,
            "timestamps": frames.timestamps,
        })
    });
    json!({
        "file": input.name,
        "width": width,
        "height": height,
        "video": frames,
        "grid_thw": <[usize; 3]>::from(input.grid),
        "tokens": input.tokens,
    })
}

/// The number of inputs, as in `2 images and 1 video`.
pub(crate) fn count(inputs: &[InputInfo]) -> String {
    let videos = inputs.iter().filter(|input| input.frames.is_some()).count();
    let counts = [(inputs.len() - videos, "image"), (videos, "video")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts = counts.map(|(count, noun)| table::count(count, noun));
    counts.collect::<Vec<_>>().join(" and ")
}
