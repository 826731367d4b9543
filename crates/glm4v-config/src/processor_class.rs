use crate::{ConfigError, ModelType, SamplingRule};

/// The classes of transformers 5.23 for images and videos of a model: `image_processor_type` and `video_processor_type`.
///
/// A file chooses them by name. Without a name, the model decides ([`ModelType`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessorClass {
    /// `Glm4vImageProcessor` and `Glm4vVideoProcessor`: GLM-4.1V, GLM-4.5V
    #[default]
    Glm4v,
    /// `Glm46VImageProcessor` and `Glm46VVideoProcessor`: GLM-4.6V, GLM-OCR
    Glm46v,
    /// `GlmgaImageProcessor` and `GlmgaVideoProcessor`: GLM-GA
    Glmga,
    /// `Glm5NextImageProcessor` and `Glm5NextVideoProcessor`: GLM-5.3-Flash
    Glm5Next,
}

const IMAGE_PROCESSORS: [(&str, ProcessorClass); 4] = [
    ("Glm4vImageProcessor", ProcessorClass::Glm4v),
    ("Glm46VImageProcessor", ProcessorClass::Glm46v),
    ("GlmgaImageProcessor", ProcessorClass::Glmga),
    ("Glm5NextImageProcessor", ProcessorClass::Glm5Next),
];

impl ProcessorClass {
    /// The class that `image_processor_type` names.
    pub(crate) fn of_image_processor(name: &str) -> Result<Self, ConfigError> {
        // transformers loads the same class for these names.
        let stem = ["Fast", "Pil"]
            .into_iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .unwrap_or(name);
        let known = IMAGE_PROCESSORS.iter().find(|(known, _)| *known == stem);
        known.map(|&(_, class)| class).ok_or_else(|| {
            let known = IMAGE_PROCESSORS.map(|(name, _)| format!("`{name}`"));
            ConfigError::Field {
                field: "image_processor_type".into(),
                message: format!(
                    "unknown class `{name}`, expected one of {}",
                    known.join(", ")
                ),
            }
        })
    }

    /// The class of videos where only `image_processor_type` names a class. transformers takes the video processor of the same
    /// name. No video processor has a suffix. `None` means that the model decides.
    pub(crate) fn of_videos_beside(image_processor: &str) -> Result<Option<Self>, ConfigError> {
        let class = Self::of_image_processor(image_processor)?;
        let is_exact = IMAGE_PROCESSORS
            .iter()
            .any(|(name, _)| *name == image_processor);
        Ok(is_exact.then_some(class))
    }

    /// The rule by which the video processor samples frames.
    #[must_use]
    pub const fn sampling_rule(self) -> SamplingRule {
        match self {
            Self::Glm4v => SamplingRule::Glm4v,
            Self::Glm46v => SamplingRule::Glm46v,
            Self::Glmga => SamplingRule::Glmga,
            Self::Glm5Next => SamplingRule::Glm5Next,
        }
    }
}

impl From<ModelType> for ProcessorClass {
    fn from(model: ModelType) -> Self {
        match model {
            ModelType::Glm4v | ModelType::Glm4vMoe => Self::Glm4v,
            ModelType::Glm46v | ModelType::GlmOcr => Self::Glm46v,
            ModelType::Glmga => Self::Glmga,
            ModelType::Glm5Next => Self::Glm5Next,
        }
    }
}

impl From<SamplingRule> for ProcessorClass {
    fn from(rule: SamplingRule) -> Self {
        match rule {
            SamplingRule::Glm4v => Self::Glm4v,
            SamplingRule::Glm46v => Self::Glm46v,
            SamplingRule::Glmga => Self::Glmga,
            SamplingRule::Glm5Next => Self::Glm5Next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_a_backend() {
        let class = |name| ProcessorClass::of_image_processor(name).unwrap();
        assert_eq!(class("Glm46VImageProcessor"), ProcessorClass::Glm46v);
        assert_eq!(class("Glm4vImageProcessorFast"), ProcessorClass::Glm4v);
        assert_eq!(class("Glm5NextImageProcessorPil"), ProcessorClass::Glm5Next);
        let message = ProcessorClass::of_image_processor("Qwen2VLImageProcessor").unwrap_err();
        let message = message.to_string();
        assert!(
            message.contains("`Qwen2VLImageProcessor`")
                && message.contains("`GlmgaImageProcessor`"),
            "{message}"
        );
    }

    #[test]
    fn videos_have_no_class_with_a_suffix() {
        let class = |name| ProcessorClass::of_videos_beside(name).unwrap();
        assert_eq!(class("Glm46VImageProcessor"), Some(ProcessorClass::Glm46v));
        assert_eq!(class("Glm46VImageProcessorFast"), None);
        assert!(ProcessorClass::of_videos_beside("Qwen2VLImageProcessor").is_err());
    }

    #[test]
    fn a_rule_belongs_to_one_class() {
        for (_, class) in IMAGE_PROCESSORS {
            assert_eq!(ProcessorClass::from(class.sampling_rule()), class);
        }
    }
}
