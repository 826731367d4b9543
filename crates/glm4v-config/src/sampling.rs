use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::validate::check_positive;
use crate::{ConfigError, json};

const SWITCHES: [json::Switch; 1] = [("do_sample_frames", &["fps", "max_duration", "max_frames"])];

/// How frames are sampled from a video: some fields of `video_preprocessor_config.json`.
///
/// All rules ignore the fields `num_frames` and `max_image_size`, as transformers does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FrameSampling {
    /// The rule.
    pub video_processor_type: SamplingRule,
    /// Whether to sample frames. Otherwise every frame is used.
    pub do_sample_frames: bool,
    /// Sampled frames per second. [`SamplingRule::Glm46v`] does not use it.
    #[serde(deserialize_with = "json::number")]
    pub fps: f64,
    /// The longest video, in seconds, that is sampled at `fps`. A longer video gets `max_duration · fps` frames in all.
    /// Only [`SamplingRule::Glm4v`] and [`SamplingRule::Glm5Next`] use it; for the latter, 0 is no limit.
    #[serde(deserialize_with = "json::number")]
    pub max_duration: f64,
    /// Maximum number of sampled frames. Only [`SamplingRule::Glmga`] and [`SamplingRule::Glm5Next`] use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_frames: Option<usize>,
}

impl Default for FrameSampling {
    fn default() -> Self {
        Self::default_of(SamplingRule::default())
    }
}

impl FrameSampling {
    /// The defaults of a video processor of transformers 5.23.
    #[must_use]
    pub const fn default_of(rule: SamplingRule) -> Self {
        let (max_duration, max_frames) = match rule {
            SamplingRule::Glm4v | SamplingRule::Glm46v => (300.0, None),
            SamplingRule::Glmga => (300.0, Some(640)),
            SamplingRule::Glm5Next => (0.0, Some(2048)),
        };
        Self {
            video_processor_type: rule,
            do_sample_frames: true,
            fps: 2.0,
            max_duration,
            max_frames,
        }
    }

    /// `defaults` with the values of `given`, which is the field `parent` of its file. The rule stays. Fields that it does
    /// not read may be null.
    pub(crate) fn overlay(
        defaults: &Self,
        given: &Value,
        parent: &str,
    ) -> Result<Self, ConfigError> {
        let mut given = given.clone();
        if let Value::Object(fields) = &mut given {
            fields.remove("video_processor_type");
            let unread = defaults.video_processor_type.unread();
            fields.retain(|name, value| !(value.is_null() && unread.contains(&&name[..])));
        }
        let fields = json::with_defaults(json!(defaults), &given, parent, &SWITCHES)?;
        json::fields(fields.into(), parent)
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if self.video_processor_type != SamplingRule::Glm46v {
            check_positive("fps", self.fps)?;
        }
        match self.video_processor_type {
            SamplingRule::Glm4v if self.max_duration.is_nan() || self.max_duration <= 0.0 => Err(
                ConfigError::invalid("max_duration", "a positive number", self.max_duration),
            ),
            SamplingRule::Glm5Next if self.max_duration.is_nan() => Err(ConfigError::invalid(
                "max_duration",
                "a number",
                self.max_duration,
            )),
            SamplingRule::Glm4v
            | SamplingRule::Glm46v
            | SamplingRule::Glmga
            | SamplingRule::Glm5Next => Ok(()),
        }
    }
}

/// How frames are sampled: as `sample_frames` does in a video processor of transformers 5.23.
///
/// The file chooses the rule by the class name of the video processor. Other names are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SamplingRule {
    /// `fps` frames per second. GLM-4.1V and GLM-4.5V use it, and so do files without a class name.
    #[default]
    #[serde(rename = "Glm4vVideoProcessor")]
    Glm4v,
    /// 3, 1 or 0.5 temporal patches per second, depending on the duration, and at most 640 frames. GLM-4.6V and GLM-OCR
    /// use it.
    #[serde(rename = "Glm46VVideoProcessor")]
    Glm46v,
    /// `fps` frames per second, and at most `max_frames` frames. GLM-GA uses it.
    #[serde(rename = "GlmgaVideoProcessor")]
    Glmga,
    /// `fps` frames per second up to `max_duration`, and at most `max_frames` frames. GLM-5.3 uses it.
    #[serde(rename = "Glm5NextVideoProcessor")]
    Glm5Next,
}

impl SamplingRule {
    /// The fields that files have for this rule, and that it does not read.
    const fn unread(self) -> &'static [&'static str] {
        match self {
            Self::Glm4v | Self::Glm5Next => &[],
            Self::Glm46v => &["fps", "max_duration"],
            Self::Glmga => &["max_duration"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_the_name_of_its_class() {
        for (rule, name) in [
            (SamplingRule::Glm4v, r#""Glm4vVideoProcessor""#),
            (SamplingRule::Glm46v, r#""Glm46VVideoProcessor""#),
            (SamplingRule::Glmga, r#""GlmgaVideoProcessor""#),
            (SamplingRule::Glm5Next, r#""Glm5NextVideoProcessor""#),
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

    #[test]
    fn only_glm4v_needs_a_duration() {
        let of = |rule, max_duration| {
            let defaults = FrameSampling::default_of(rule);
            let sampling = FrameSampling {
                max_duration,
                ..defaults
            };
            sampling.validate().is_ok()
        };
        assert!(!of(SamplingRule::Glm4v, 0.0) && of(SamplingRule::Glm4v, f64::INFINITY));
        assert!(of(SamplingRule::Glm46v, 0.0) && of(SamplingRule::Glmga, f64::NAN));
        assert!(of(SamplingRule::Glm5Next, 0.0) && !of(SamplingRule::Glm5Next, f64::NAN));
    }
}
