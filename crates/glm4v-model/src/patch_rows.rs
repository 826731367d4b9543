use burn::tensor::Tensor;
use glm4v_config::PatchKind;

/// Rows of patches in merge-block order, in f32.
#[derive(Clone, Debug)]
pub enum PatchRows {
    /// Patches of images, one frame a row: `[rows, in_channels·patch_size²]`.
    Image(Tensor<2>),
    /// Patches of videos: `[rows, in_channels·temporal_patch_size·patch_size²]`.
    Video(Tensor<2>),
}

impl PatchRows {
    /// Rows of the given kind.
    #[must_use]
    pub fn new(kind: PatchKind, rows: Tensor<2>) -> Self {
        match kind {
            PatchKind::Image => Self::Image(rows),
            PatchKind::Video => Self::Video(rows),
        }
    }

    /// The kind of the rows.
    #[must_use]
    pub fn kind(&self) -> PatchKind {
        match self {
            Self::Image(_) => PatchKind::Image,
            Self::Video(_) => PatchKind::Video,
        }
    }

    /// The number of rows and the number of values of a row.
    #[must_use]
    pub fn dims(&self) -> [usize; 2] {
        match self {
            Self::Image(rows) | Self::Video(rows) => rows.dims(),
        }
    }
}
