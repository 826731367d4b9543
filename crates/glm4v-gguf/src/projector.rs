use glm4v_config::VisionModelType;

/// llama.cpp's names of the two graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Projector {
    Glm4v,
    Glm5v,
}

impl Projector {
    pub(crate) const ALL: [Self; 2] = [Self::Glm4v, Self::Glm5v];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Glm4v => "glm4v",
            Self::Glm5v => "glm5v",
        }
    }

    pub(crate) const fn of(model: VisionModelType) -> Self {
        match model {
            VisionModelType::Glm4vVision
            | VisionModelType::Glm4vMoeVision
            | VisionModelType::GlmOcrVision => Self::Glm4v,
            VisionModelType::Glm5NextVision => Self::Glm5v,
        }
    }
}
