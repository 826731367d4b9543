use std::path::Path;

use anyhow::{Context, Result};
use glm4v::{Checkpoint, WriteOptions, write_checkpoint};
use serde_json::json;

use crate::args::InitArgs;
use crate::console::{Console, Report};
use crate::layout;
use crate::stages::Stages;

/// A preset to a checkpoint with random weights.
pub(crate) fn run(args: &InitArgs, console: &Console) -> Result<()> {
    let vision = args.preset.vision();
    let options = WriteOptions {
        model_type: args.preset.model_type(),
        vision: &vision,
        image_processor: &args.preset.image_processor(),
        video_processor: &args.preset.video_processor(),
        seed: args.seed,
        dtype: args.dtype.into(),
    };
    let mut stages = Stages::default();
    {
        let _spinner = console.progress("writing random weights", None);
        stages.time("write", || write_checkpoint(&args.output, &options))?;
    }
    let written = Checkpoint::open(&args.output)?.inspect(&vision);
    let files = files(&args.output)?;
    let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let rows: Vec<[String; 2]> = files
        .iter()
        .map(|(name, size)| [name.clone(), layout::bytes(*size)])
        .collect();
    let about = layout::pairs(&[
        (
            "weights",
            format!(
                "random: preset {}, seed {}, {}",
                args.preset, args.seed, args.dtype
            ),
        ),
        ("tensors", written.tensors.to_string()),
        ("parameters", layout::millions(written.parameters)),
        ("bytes", layout::bytes(total)),
        ("time", stages.to_string()),
        ("written", args.output.display().to_string()),
    ]);
    console.report(&Report {
        text: format!("{}\n{about}", layout::table(&rows)),
        json: json!({
            "output": args.output.to_string_lossy(),
            "preset": args.preset.name(),
            "seed": args.seed,
            "dtype": args.dtype.to_string(),
            "files": files.iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes})).collect::<Vec<_>>(),
            "tensors": written.tensors,
            "parameters": written.parameters,
            "seconds": stages.json(),
        }),
    })
}

/// Names and sizes of the files in `dir`.
fn files(dir: &Path) -> Result<Vec<(String, u64)>> {
    let list = || -> std::io::Result<Vec<(String, u64)>> {
        let file = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry?;
            Ok((
                entry.file_name().to_string_lossy().into_owned(),
                entry.metadata()?.len(),
            ))
        };
        std::fs::read_dir(dir)?.map(file).collect()
    };
    let mut files = list().with_context(|| dir.display().to_string())?;
    files.sort();
    Ok(files)
}
