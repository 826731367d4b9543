use serde::{Deserialize, Serialize};

/// How many frames a patch row holds.
///
/// A tower reads `temporal_patch_size` frames a patch. An image has one frame, which the reference implementation
/// repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchKind {
    /// One frame a row: the row of an image. The tower repeats it `temporal_patch_size` times.
    Image,
    /// `temporal_patch_size` frames a row: the row of a video.
    Video,
}
