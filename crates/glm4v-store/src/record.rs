use std::borrow::Cow;
use std::path::Path;

use glm4v_config::GridThw;

use crate::StoreError;
use crate::hashing::hex;

/// The result of one input of a job.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The identifier that the caller chose. Readers find the input by it.
    pub id: &'a str,
    /// The path of the input. It may be empty if the input is not a file.
    pub path: &'a Path,
    /// The SHA-256 of the input's bytes, if it is known.
    pub sha256: Option<[u8; 32]>,
    /// The embeddings, or the error of this input.
    pub outcome: Result<Encoded<'a>, &'a str>,
}

/// What a row stores of a record in another form.
pub(crate) struct Texts<'a> {
    pub(crate) path: Cow<'a, str>,
    pub(crate) sha256: Option<String>,
}

impl Record<'_> {
    pub(crate) fn texts(&self) -> Texts<'_> {
        Texts {
            path: self.path.to_string_lossy(),
            sha256: self.sha256.map(|hash| hex(&hash)),
        }
    }

    /// The bytes of a path that is not UTF-8. Such a path cannot be found by its text.
    pub(crate) fn path_bytes(&self) -> Option<&[u8]> {
        match self.path.to_str() {
            Some(_) => None,
            None => Some(self.path.as_os_str().as_encoded_bytes()),
        }
    }
}

/// The embeddings of one input.
#[derive(Clone, Debug)]
pub struct Encoded<'a> {
    /// The patch grid.
    pub grid: GridThw,
    /// The embeddings of all tokens, row by row.
    ///
    /// # Shapes
    ///
    /// `[num_tokens, width]`, with the width of the job's [`Settings`](crate::Settings).
    pub tokens: &'a [f32],
    /// The sampled frames, if the input is a video.
    pub video: Option<VideoInfo<'a>>,
}

/// The sampled frames of a video, and the video that they come from.
#[derive(Clone, Copy, Debug)]
pub struct VideoInfo<'a> {
    /// The sampled frames, counted from 0 in the whole video.
    pub indices: &'a [usize],
    /// The seconds of each temporal patch.
    pub timestamps: &'a [f64],
    /// Frames a second of the whole video.
    pub fps: Option<f64>,
    /// Seconds of the whole video.
    pub duration: Option<f64>,
    /// Frames of the whole video.
    pub total_frames: Option<usize>,
}

/// The number of rows in `tokens`, which are `width` values each. There must be at least one row.
pub(crate) fn rows(id: &str, tokens: &[f32], width: usize) -> Result<usize, StoreError> {
    let length = tokens.len();
    match length.checked_div(width) {
        Some(rows) if rows > 0 && rows * width == length => Ok(rows),
        _ => Err(StoreError::Record {
            id: id.into(),
            problem: format!("expected rows of {width} values, found {length} values"),
        }),
    }
}
