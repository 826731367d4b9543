use glm4v_config::{ImageProcessorConfig, VisionConfig};

use crate::PreprocessError;
use crate::span::CHANNELS;

/// A configuration's name in errors.
pub(crate) const IMAGE_PROCESSOR: &str =
    "the image processor (processor_config.json or preprocessor_config.json)";
pub(crate) const VIDEO_PROCESSOR: &str =
    "the video processor (processor_config.json or video_preprocessor_config.json)";
pub(crate) const TOWER: &str = "the tower (config.json)";

/// The sizes of a patch, in which the processors and the tower must agree.
#[derive(Clone, Copy)]
pub(crate) struct PatchShape([(&'static str, usize); 4]);

impl PatchShape {
    pub(crate) const fn of_processor(config: &ImageProcessorConfig) -> Self {
        Self([
            ("in_channels", CHANNELS),
            ("patch_size", config.patch_size),
            ("temporal_patch_size", config.temporal_patch_size),
            ("merge_size", config.merge_size),
        ])
    }

    pub(crate) const fn of_tower(config: &VisionConfig) -> Self {
        Self([
            ("in_channels", config.in_channels),
            ("patch_size", config.patch_size),
            ("temporal_patch_size", config.temporal_patch_size),
            ("merge_size", config.spatial_merge_size),
        ])
    }

    /// Compares two shapes, whose configurations are called `first` and `second`.
    pub(crate) fn compare(
        self,
        first: &'static str,
        other: Self,
        second: &'static str,
    ) -> Result<(), PreprocessError> {
        for ((field, first_value), (_, second_value)) in self.0.into_iter().zip(other.0) {
            if first_value != second_value {
                return Err(PreprocessError::Mismatch {
                    field,
                    first,
                    first_value,
                    second,
                    second_value,
                });
            }
        }
        Ok(())
    }
}
