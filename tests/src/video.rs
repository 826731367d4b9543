use std::path::Path;

use anyhow::{Result, bail};
use glm4v::{ClipSource, Media, MediaOptions, PreprocessError};

/// Why no video can be decoded here, if none can; `example` is a video file.
#[must_use]
pub fn no_video_decoder(example: &Path) -> Option<String> {
    match Media::open(example, &MediaOptions::default()) {
        Err(PreprocessError::File { source, .. }) => {
            matches!(*source, PreprocessError::NoProgram { .. }).then(|| source.to_string())
        }
        _ => None,
    }
}

/// A video file, opened.
///
/// # Errors
/// If it cannot be decoded.
pub fn open_video(path: &Path) -> Result<ClipSource> {
    match Media::open(path, &MediaOptions::default())? {
        Media::Clip(source) => Ok(source),
        Media::Still(_) => bail!("{} is a picture", path.display()),
    }
}
