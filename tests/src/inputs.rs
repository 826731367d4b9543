use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use glm4v::image::{Rgb, RgbImage};
use glm4v::preprocess::{ReadOptions, SampledFrames, Source, VideoMetadata};
use glm4v::{Patches, Processor, open_image};
use serde::Deserialize;

use crate::{image_path, video_path};

const VIDEO_EXTENSIONS: [&str; 6] = ["avi", "m4v", "mkv", "mov", "mp4", "webm"];

/// One input of a batch, as in `inputs.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// An image file.
    Image(PathBuf),
    /// A video file.
    Video {
        /// The file.
        video: PathBuf,
    },
    /// A generated video.
    Synthetic(Synthetic),
}

/// A video whose frame `i` is `frame(i, height, width)`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Synthetic {
    num_frames: usize,
    fps: Option<f64>,
    duration: Option<f64>,
    height: usize,
    width: usize,
}

/// The sampled frames of a video.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampled {
    /// Indices in the whole video.
    pub frames_indices: Vec<usize>,
    /// Seconds that the prompt names, one for each temporal patch.
    pub timestamps: Vec<f64>,
}

/// The patch rows of inputs.
pub struct Batch {
    /// The rows and the grids, in the inputs' order.
    pub patches: Patches,
    /// The sampled frames of the videos, by the index of the input.
    pub sampled: BTreeMap<usize, Sampled>,
}

impl Input {
    /// A file. The end of its name decides whether it is a video.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        let extension = path.extension().map(|name| name.to_ascii_lowercase());
        match extension {
            Some(name) if VIDEO_EXTENSIONS.iter().any(|known| name == *known) => {
                Self::Video { video: path }
            }
            _ => Self::Image(path),
        }
    }

    /// The same input with its file in the folder of its case, or else in `tests/images` or `tests/videos`.
    #[must_use]
    pub fn of_case(self, dir: &Path) -> Self {
        match self {
            Self::Image(name) if dir.join(&name).exists() => Self::Image(dir.join(name)),
            Self::Image(name) => Self::Image(image_path(name)),
            Self::Video { video } => Self::Video {
                video: video_path(video),
            },
            synthetic @ Self::Synthetic(_) => synthetic,
        }
    }

    /// The path of a video file.
    #[must_use]
    pub fn video(&self) -> Option<&Path> {
        match self {
            Self::Video { video } => Some(video),
            Self::Image(_) | Self::Synthetic(_) => None,
        }
    }

    /// The path of an image file.
    #[must_use]
    pub fn image(&self) -> Option<&Path> {
        match self {
            Self::Image(path) => Some(path),
            Self::Video { .. } | Self::Synthetic(_) => None,
        }
    }
}

impl Synthetic {
    fn metadata(&self) -> VideoMetadata {
        VideoMetadata {
            fps: self.fps,
            duration: self.duration,
            ..VideoMetadata::new(self.num_frames, 1.0)
        }
    }

    fn frames(&self) -> impl Iterator<Item = RgbImage> {
        (0..self.num_frames).map(|index| frame(index, self.height, self.width))
    }
}

/// The same formula as in `tests/golden/clips.py`.
fn frame(index: usize, height: usize, width: usize) -> RgbImage {
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let level = 3 * x + 5 * y + 17 * index + 3 * (x * y * (index + 1) % 61);
        Rgb([0, 40, 80].map(|shift| ((level + shift) % 256) as u8))
    })
}

impl Batch {
    /// Preprocesses `inputs`.
    ///
    /// # Errors
    /// If an input cannot be read or is refused.
    pub fn new(inputs: &[Input], processor: &Processor) -> Result<Self> {
        let (mut batches, mut sampled, mut index) = (Vec::new(), BTreeMap::new(), 0);
        // Consecutive images are packed by one call, so that the packing is compared too.
        for group in inputs.chunk_by(|a, b| a.image().is_some() && b.image().is_some()) {
            let (patches, frames) = match &group[0] {
                Input::Image(_) => (images(group, processor)?, None),
                Input::Video { video } => video_file(video, processor)?,
                Input::Synthetic(video) => {
                    let metadata = video.metadata();
                    let video = processor.preprocess_frames(video.frames(), &metadata)?;
                    (video.0, Some(video.1))
                }
            };
            batches.push(patches);
            sampled.extend(frames.map(|frames| (index, frames.into())));
            index += group.len();
        }
        let patches = Patches::concat(&batches)?;
        Ok(Self { patches, sampled })
    }
}

impl From<SampledFrames> for Sampled {
    fn from(frames: SampledFrames) -> Self {
        Self {
            frames_indices: frames.indices,
            timestamps: frames.timestamps,
        }
    }
}

fn images(inputs: &[Input], processor: &Processor) -> Result<Patches> {
    let paths = inputs.iter().filter_map(Input::image);
    let images = paths.map(|path| open_image(path, &Default::default()));
    Ok(processor.preprocess_images(&images.collect::<Result<Vec<_>, _>>()?)?)
}

fn video_file(path: &Path, processor: &Processor) -> Result<(Patches, Option<SampledFrames>)> {
    let video = processor.probe(Source::open(path, &ReadOptions::default())?)?;
    let frames = video.frames.clone();
    frames
        .as_ref()
        .with_context(|| format!("{} is an image, not a video", path.display()))?;
    let (patches, errors) = processor.read_batch(&[video]);
    match errors.into_iter().flatten().next() {
        Some(error) => Err(error.into()),
        None => Ok((patches, frames)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_inputs_are_distinguished() {
        let json = r#"["a.png", {"video": "b.mp4"},
            {"num_frames": 2, "fps": 4, "duration": null, "height": 1, "width": 3}]"#;
        let inputs: Vec<Input> = serde_json::from_str(json).unwrap();
        assert_eq!(inputs[0], Input::file("a.png".into()));
        assert_eq!(inputs[1], Input::file("b.mp4".into()));
        let Input::Synthetic(video) = &inputs[2] else {
            panic!("{:?} is synthetic", inputs[2]);
        };
        assert_eq!(video.metadata(), VideoMetadata::new(2, 4.0));
        let frames: Vec<RgbImage> = video.frames().collect();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[1].as_raw(), &[17, 57, 97, 20, 60, 100, 23, 63, 103]);
    }
}
