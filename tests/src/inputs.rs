use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use glm4v::image::{Rgb, RgbImage};
use glm4v::{Clip, ClipInfo, Patches, Processor, VideoProcessor, open};
use serde::Deserialize;

use crate::{image_path, open_video, video_path};

const VIDEO_EXTENSIONS: [&str; 6] = ["avi", "m4v", "mkv", "mov", "mp4", "webm"];

/// One input of a batch, as an `inputs.json` holds it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// A picture's file.
    Picture(PathBuf),
    /// A video's file.
    Video {
        /// The file.
        video: PathBuf,
    },
    /// A clip that is made, not read.
    Synthetic(Synthetic),
}

/// A clip of which frame `i` is `frame(i, height, width)`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Synthetic {
    num_frames: usize,
    fps: Option<f64>,
    duration: Option<f64>,
    height: usize,
    width: usize,
}

/// Which frames of a clip were taken, and the seconds that the prompt names for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampled {
    /// Indices of the frames in the whole clip.
    pub frames_indices: Vec<usize>,
    /// Seconds, one for each temporal patch.
    pub timestamps: Vec<f64>,
}

/// Inputs made into patch rows.
pub struct Batch {
    /// The rows and the grids, in the inputs' order.
    pub patches: Patches,
    /// What was taken of the clips, by their place among the inputs.
    pub sampled: BTreeMap<usize, Sampled>,
}

impl Input {
    /// A file to read: a video where its name ends like one, otherwise a picture.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        let extension = path.extension().map(|name| name.to_ascii_lowercase());
        match extension {
            Some(name) if VIDEO_EXTENSIONS.iter().any(|known| name == *known) => {
                Self::Video { video: path }
            }
            _ => Self::Picture(path),
        }
    }

    /// The same input with its file looked for in `tests/images` or `tests/videos`.
    #[must_use]
    pub fn in_tests(self) -> Self {
        match self {
            Self::Picture(name) => Self::Picture(image_path(name)),
            Self::Video { video } => Self::Video {
                video: video_path(video),
            },
            made @ Self::Synthetic(_) => made,
        }
    }

    /// The file for which a decoder of videos is needed, if it is one.
    #[must_use]
    pub fn video(&self) -> Option<&Path> {
        match self {
            Self::Video { video } => Some(video),
            _ => None,
        }
    }

    fn clip(&self, processor: &VideoProcessor) -> Result<Clip> {
        match self {
            Self::Picture(path) => bail!("{} is no clip", path.display()),
            Self::Video { video } => Ok(processor.read(&open_video(video)?)?),
            Self::Synthetic(clip) => Ok(processor.clip(clip.frames(), &clip.info())?),
        }
    }
}

impl Synthetic {
    fn info(&self) -> ClipInfo {
        ClipInfo {
            fps: self.fps,
            duration: self.duration,
            ..ClipInfo::new(self.num_frames, 1.0)
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
        let (mut parts, mut sampled, mut place) = (Vec::new(), BTreeMap::new(), 0);
        // Pictures side by side are packed by one call, so that the packing is compared too.
        for run in inputs.chunk_by(|a, b| picture(a).is_some() && picture(b).is_some()) {
            let paths: Vec<&Path> = run.iter().filter_map(picture).collect();
            if paths.is_empty() {
                let clip = run[0].clip(processor.video()?)?;
                sampled.insert(
                    place,
                    Sampled {
                        frames_indices: clip.frames_indices,
                        timestamps: clip.timestamps,
                    },
                );
                parts.push(clip.patches);
            } else {
                parts.push(stills(&paths, processor)?);
            }
            place += run.len();
        }
        let patches = Patches::concat(&parts)?;
        Ok(Self { patches, sampled })
    }
}

fn picture(input: &Input) -> Option<&Path> {
    match input {
        Input::Picture(path) => Some(path),
        _ => None,
    }
}

fn stills(paths: &[&Path], processor: &Processor) -> Result<Patches> {
    let pictures = paths
        .iter()
        .map(|path| open(path, &Default::default()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(processor.images(&pictures)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_told_apart() {
        let json = r#"["a.png", {"video": "b.mp4"},
            {"num_frames": 2, "fps": 4, "duration": null, "height": 1, "width": 3}]"#;
        let inputs: Vec<Input> = serde_json::from_str(json).unwrap();
        assert_eq!(inputs[0], Input::file("a.png".into()));
        assert_eq!(inputs[1], Input::file("b.mp4".into()));
        let Input::Synthetic(clip) = &inputs[2] else {
            panic!("{:?} is made", inputs[2]);
        };
        assert_eq!(clip.info(), ClipInfo::new(2, 4.0));
        let frames: Vec<RgbImage> = clip.frames().collect();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[1].as_raw(), &[17, 57, 97, 20, 60, 100, 23, 63, 103]);
    }
}
