use clap::Args;
use clap::builder::TypedValueParser;

use super::{InputArgs, ModelArgs};
use crate::values::{OutputFile, patches_file, path};

/// Of `preprocess`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PreprocessArgs {
    /// The pictures and clips
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    /// Whose processors to follow
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Where to write the patch rows: a name in .safetensors
    #[arg(short, long, value_name = "FILE", value_parser = path().try_map(patches_file))]
    pub(crate) output: OutputFile,
}

const EXAMPLES: &str = "\
The file holds pixel_values f32 [patches, channels·temporal_patch_size·patch_size²] and grid_thw i64 [inputs, 3], as
transformers' processors return them, pictures and clips in the order of the inputs. Where there are clips, it also
holds clips i64 [clips, 2] (which input, how many frames were taken), frames_indices i64 (these frames, counted from 0)
and timestamps f64 (the seconds that the prompt names, one for each of a clip's t temporal patches).
The presets have the settings of the published checkpoints.

Examples:
  glm4v preprocess cat.jpg -o cat.safetensors
  glm4v preprocess *.png walk.mp4 -m zai-org/GLM-4.1V-9B-Thinking -o patches.safetensors
  glm4v preprocess frames/ --source-fps 25 --preset glm-4.6v -o frames.safetensors";
