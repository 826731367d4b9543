use std::path::Path;

use anyhow::{Result, bail};
use glm4v::preprocess::{PreprocessError, ReadOptions, Source, VideoSource};

/// The reason why videos cannot be decoded here. `None` if they can. `example` is a video file.
#[must_use]
pub fn no_video_decoder(example: &Path) -> Option<String> {
    match Source::open(example, &ReadOptions::default()) {
        Err(PreprocessError::File { source, .. }) => {
            matches!(*source, PreprocessError::NoProgram { .. }).then(|| source.to_string())
        }
        _ => None,
    }
}

/// Opens a video file.
///
/// # Errors
/// If it cannot be decoded.
pub fn open_video(path: &Path) -> Result<VideoSource> {
    match Source::open(path, &ReadOptions::default())? {
        Source::Video(source) => Ok(source),
        Source::Image(_) => bail!("{} is an image, not a video", path.display()),
    }
}
