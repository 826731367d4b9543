use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::processor::check_positive;

/// Which frames of a clip are taken: a part of `video_preprocessor_config.json`. (Its `num_frames` is read by neither
/// rule, nor is its `max_image_size`.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FrameSampling {
    /// The rule.
    pub video_processor_type: SamplingRule,
    /// Whether to sample frames rather than take them all.
    pub do_sample_frames: bool,
    /// Sampled frames a second, under [`SamplingRule::Glm4v`]; the other rule has rates of its own.
    pub fps: f64,
    /// Longest clip, in seconds, that is sampled at `fps`; of a longer one, `max_duration · fps` frames are spread over
    /// all of it. Under [`SamplingRule::Glm4v`] alone.
    pub max_duration: f64,
}

impl Default for FrameSampling {
    fn default() -> Self {
        Self {
            video_processor_type: SamplingRule::default(),
            do_sample_frames: true,
            fps: 2.0,
            max_duration: 300.0,
        }
    }
}

impl FrameSampling {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        check_positive("fps", self.fps)?;
        check_positive("max_duration", self.max_duration)
    }
}

/// How frames are sampled: the `sample_frames` of one of transformers' (5.23) video processors, by whose class name
/// the file chooses. Any other name is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SamplingRule {
    /// GLM-4.1V and GLM-4.5V, and files that name no class: `fps` frames a second.
    #[default]
    #[serde(rename = "Glm4vVideoProcessor")]
    Glm4v,
    /// GLM-4.6V and GLM-OCR: 3, 1 or 0.5 temporal patches a second, the fewer the longer the clip, and at most 640
    /// frames.
    #[serde(rename = "Glm46VVideoProcessor")]
    Glm46v,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_called_by_its_class() {
        for (rule, name) in [
            (SamplingRule::Glm4v, r#""Glm4vVideoProcessor""#),
            (SamplingRule::Glm46v, r#""Glm46VVideoProcessor""#),
        ] {
            assert_eq!(serde_json::to_string(&rule).unwrap(), name);
            assert_eq!(serde_json::from_str::<SamplingRule>(name).unwrap(), rule);
        }
    }

    #[test]
    fn both_numbers_must_be_positive() {
        for (fps, max_duration, field) in [(-1.0, 1.0, "`fps`"), (1.0, f64::NAN, "`max_duration`")]
        {
            let sampling = FrameSampling {
                fps,
                max_duration,
                ..FrameSampling::default()
            };
            let message = sampling.validate().unwrap_err().to_string();
            assert!(message.contains(field), "{message}");
        }
    }
}
