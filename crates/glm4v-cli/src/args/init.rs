use std::path::PathBuf;

use clap::Args;
use glm4v::Preset;

use crate::values::{Dtype, preset};

/// Of `init`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InitArgs {
    /// Size of the model
    #[arg(long, value_parser = preset())]
    pub(crate) preset: Preset,
    /// Seed of the random weights
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Type in which the weights are stored
    #[arg(long, value_enum, default_value_t = Dtype::Bf16)]
    pub(crate) dtype: Dtype,
    /// Directory to make; it must not exist
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

const EXAMPLES: &str = "\
For tests and timings: the layout is the published one (config.json, both preprocessor files, shards and their index),
the weights are those of `encode --preset P --seed N`, rounded to the type. The language model is left out.

Examples:
  glm4v init --preset tiny -o tiny
  glm4v init --preset glm-4.1v-9b --seed 7 --dtype f32 -o random-9b";
