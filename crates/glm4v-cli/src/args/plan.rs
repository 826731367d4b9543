use std::path::PathBuf;

use clap::Args;

use super::inputs::ReadingArgs;
use super::{DeviceArgs, ModelArgs};

/// Of `plan`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    /// Pictures, video files and folders of frames, or sizes: 1920x1080 is a picture, 1920x1080x16 a clip of which 16
    /// frames are taken
    #[arg(value_name = "INPUT|WxH|WxHxFRAMES", required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    /// How they are read
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    /// Whose encoder
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Where it would run
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

const EXAMPLES: &str = "\
Nothing is decoded and no weights are read: of a picture the header is enough, of a clip what sampling needs, and of a
model config.json and the preprocessor files. A device that is named need not be there.

Operations are floating-point ones, two for each multiplication. On flex, memory is what `encode` of these inputs holds
at most, the program itself included, within a tenth; elsewhere it is what burn is asked for, whose own pools may keep
more. Of each kind the most is said that is held at any time; these times differ, so that the sum is less. The inputs are
those of one `encode`, batch by batch. With --max-memory, the work is cut as `encode --max-memory` would cut it.

Examples:
  glm4v plan cat.jpg walk.mp4 -m zai-org/GLM-4.1V-9B-Thinking
  glm4v plan 1920x1080 --preset glm-4.1v-9b --dtype bf16
  glm4v plan 3840x2160 640x360x64 --preset glm-4.6v --device cuda --dtype f16 --max-memory 6G --json";
