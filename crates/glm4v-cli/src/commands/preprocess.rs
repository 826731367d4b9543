use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use glm4v::pipeline::Inputs;
use ndarray::ArrayView2;
use serde_json::json;

use crate::args::{InputArgs, ModelArgs};
use crate::console::Console;
use crate::listed::Listed;
use crate::model::ModelFiles;
use crate::output::Output;
use crate::reading::{self, Reading};
use crate::stages::Stages;
use crate::values::{OnError, OutputFile, OutputFormat};
use crate::weights::Weights;
use crate::{atomic, listing, table};

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PreprocessArgs {
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// File for the patch rows; the name ends in .safetensors
    #[arg(short, long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(|path| OutputFile::new(path, &OutputFormat::PATCHES)))]
    output: OutputFile,
}

const EXAMPLES: &str = "\
The file holds the tensors that transformers' processors return, with the inputs in order:
  pixel_values    f32 [patches, channels·temporal_patch_size·patch_size²]
  grid_thw        i64 [inputs, 3]
With videos among the inputs it also holds:
  videos          i64 [videos, 2]: the index of the input, the number of sampled frames
  frames_indices  i64: the sampled frames, counted from 0
  timestamps      f64: the seconds that the prompt names, one for each of the t temporal patches of a video
The presets have the settings of the published checkpoints.

Examples:
  glm4v preprocess cat.jpg -o cat.safetensors
  glm4v preprocess *.png walk.mp4 -m zai-org/GLM-4.1V-9B-Thinking -o patches.safetensors
  glm4v preprocess frames/ --source-fps 25 --preset glm-4.6v -o frames.safetensors";

/// Converts images and videos to a file of patch rows.
pub(crate) fn run(args: PreprocessArgs, console: &Console) -> Result<()> {
    args.inputs.read.start_threads()?;
    let file = &args.output;
    let processor = Weights::find(&args.model, None, ModelFiles::Configs, console)?.processor()?;
    let processor = Arc::new(args.inputs.read.configure(processor)?);
    atomic::check(&file.path)?;
    let Listed { sources, pipes, .. } = Listed::of(&args.inputs, OnError::Stop, console)?;

    let mut stages = Stages::default();
    let count = sources.len();
    let read = pipes.options(args.inputs.read.options());
    let inputs = Inputs::new(sources, processor, read, reading::limits());
    let mut reading = Reading::new(inputs, count, pipes, console);
    let (mut inputs, mut values, mut width) = (Vec::new(), Vec::new(), 0);
    while let Some((batch, patches)) = stages.time("read", || reading.next())? {
        width = patches.row_len();
        let rows = patches.pixel_values();
        values.extend_from_slice(rows.as_slice().expect("rows are contiguous"));
        inputs.extend(batch);
    }
    drop(reading);
    let shape = [values.len() / width, width];
    let content = Output {
        name: "pixel_values",
        values: ArrayView2::from_shape(shape, &values)?,
        inputs: &inputs,
        extra: Vec::new(),
    };
    stages.time("write", || content.write(file))?;

    let tokens: usize = inputs.iter().map(|input| input.tokens).sum();
    let total = format!("{} patches for {}", shape[0], table::count(tokens, "token"));
    let pairs = table::pairs(&[
        ("total", total),
        ("pixel_values", format!("{shape:?} f32")),
        ("time", stages.to_string()),
        ("written", file.path.display().to_string()),
    ]);
    let json = json!({
        "inputs": listing::json(&inputs),
        "patches": shape[0],
        "tokens": tokens,
        "shape": shape,
        "dtype": "f32",
        "seconds": stages.json(),
        "output": file.path.to_string_lossy(),
    });
    console.report(&format!("{}\n{pairs}", listing::text(&inputs)), &json)
}
