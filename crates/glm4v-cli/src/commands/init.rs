use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use glm4v::Preset;
use glm4v::weights::{Checkpoint, Encoding, WeightsError, WriteOptions, write_checkpoint};
use serde_json::{Value, json};

use crate::atomic;
use crate::console::Console;
use crate::stages::Stages;
use crate::table::{self, Table};
use crate::values::{dtype, preset};

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InitArgs {
    /// Size of the model
    #[arg(long, value_parser = preset())]
    preset: Preset,
    /// Seed of the random weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Type of the stored weights
    #[arg(long, value_parser = dtype(), default_value_t = Encoding::Bf16)]
    dtype: Encoding,
    /// Directory to create; it must not exist yet
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

const EXAMPLES: &str = "\
Use such a checkpoint for tests and timings. Its files are those of a published checkpoint: config.json, the preprocessor
files, the weight shards and their index. The language model is left out. The weights are those of
`encode --preset P --seed N`, rounded to the stored type.

Examples:
  glm4v init --preset tiny -o tiny
  glm4v init --preset glm-4.1v-9b --seed 7 --dtype f32 -o random-9b";

/// Writes a checkpoint with random weights.
pub(crate) fn run(args: &InitArgs, console: &Console) -> Result<()> {
    if args.output.symlink_metadata().is_ok() {
        let path = args.output.clone();
        return Err(WeightsError::Exists { path }.into());
    }
    let vision = args.preset.vision();
    let options = WriteOptions {
        model_type: args.preset.model_type(),
        vision: &vision,
        image_processor: &args.preset.image_processor(),
        video_processor: &args.preset.video_processor(),
        seed: args.seed,
        encoding: args.dtype,
    };
    let mut stages = Stages::default();
    {
        let _spinner = console.progress("writing random weights", None);
        let write = |dir: &Path| Ok(write_checkpoint(dir, &options)?);
        stages.time("write", || atomic::write_directory(&args.output, write))?;
    }
    let written = Checkpoint::open(&args.output)?.inspect(&vision);
    let files = files(&args.output);
    let files = files.with_context(|| format!("{}: cannot be listed", args.output.display()))?;
    let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let mut listed = Table::default();
    for (name, bytes) in &files {
        listed.row(&[name, &table::bytes(*bytes)]);
    }
    let (preset, seed, dtype) = (args.preset, args.seed, args.dtype);
    let weights = format!("random: preset {preset}, seed {seed}, {dtype}");
    let pairs = table::pairs(&[
        ("weights", weights),
        ("tensors", written.tensors.to_string()),
        ("parameters", table::millions(written.parameters)),
        ("bytes", table::bytes(total)),
        ("time", stages.to_string()),
        ("written", args.output.display().to_string()),
    ]);
    let file = |(name, bytes): &(String, u64)| json!({"name": name, "bytes": bytes});
    let json = json!({
        "output": args.output.to_string_lossy(),
        "preset": preset.name(),
        "seed": seed,
        "dtype": dtype.to_string(),
        "files": files.iter().map(file).collect::<Value>(),
        "tensors": written.tensors,
        "parameters": written.parameters,
        "seconds": stages.json(),
    });
    console.report(&format!("{listed}\n{pairs}"), &json)
}

/// The names and sizes of the files in `dir`, sorted by name.
fn files(dir: &Path) -> Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.push((name, entry.metadata()?.len()));
    }
    files.sort();
    Ok(files)
}
