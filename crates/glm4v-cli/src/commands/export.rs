use std::fs;
use std::path::Path;

use anyhow::Result;
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use glm4v::weights::{Checkpoint, Encoding};
use serde_json::{Value, json};

use crate::args::{ProcessorArgs, RevisionArgs};
use crate::atomic;
use crate::console::Console;
use crate::failure::misuse;
use crate::model::{self, ModelFiles};
use crate::stages::Stages;
use crate::table;
use crate::values::{TowerFile, TowerFormat, stored_type};

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// Checkpoint directory, mmproj file of llama.cpp (.gguf), or a model on the Hugging Face hub as owner/name
    #[arg(value_name = "DIR|FILE|NAME")]
    model: String,
    #[command(flatten)]
    processor: ProcessorArgs,
    #[command(flatten)]
    revision: RevisionArgs,
    /// Type of the stored matrices; only .gguf files can have q8_0
    #[arg(long = "type", value_parser = stored_type(), default_value_t = Encoding::Bf16)]
    encoding: Encoding,
    /// File for the tower; the end of the name selects the format, see below
    #[arg(short, long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(TowerFile::new))]
    output: TowerFile,
}

const EXAMPLES: &str = "\
Formats of -o FILE, by the end of the name:
  .gguf         an mmproj file, which llama.cpp reads beside the GGUF file of the language model. It contains the tower, its
                configuration and the normalisation of pixels. Norms, biases and the position table stay f32, as llama.cpp's
                converter keeps them. With bf16 and q8_0, so do the kernels of the two convolutions. With q8_0, rows that
                are not whole blocks of 32 values become f16
  .safetensors  the tensors of the tower, all of one type, with the keys of the checkpoint. The file has no configuration:
                to load it, name it model.safetensors and put the config.json and the preprocessor files of the model beside
                it

Weights are read and written one slice after another, so little memory is needed. The file appears only when it is complete.

Examples:
  glm4v export zai-org/GLM-4.6V-Flash -o mmproj-GLM-4.6V-Flash-Q8_0.gguf --type q8_0
  glm4v export GLM-OCR -o mmproj-GLM-OCR-F16.gguf --type f16
  glm4v export GLM-4.1V-9B-Thinking -o tower.safetensors";

/// Refuses an output in the place of a file of the model, which would be lost: the output has other types, and only the tower.
fn check_output(model: &str, output: &Path) -> Result<()> {
    let (Ok(model), Ok(replaced)) = (fs::canonicalize(model), fs::canonicalize(output)) else {
        return Ok(());
    };
    if replaced != model && replaced.parent() != Some(&model) {
        return Ok(());
    }
    let output = output.display();
    Err(misuse(format!(
        "{output}: is a file of the model, which would be replaced; choose another name"
    )))
}

/// Writes the vision tower of a checkpoint as one file.
pub(crate) fn run(args: &ExportArgs, console: &Console) -> Result<()> {
    let TowerFile { path, format } = &args.output;
    check_output(&args.model, path)?;
    let (files, name) = (ModelFiles::Tower, &args.model);
    let model = model::find(name, &args.processor, &args.revision, files, console)?;
    let config = model.config()?;
    let checkpoint = model.checkpoint()?;
    atomic::check(path)?;
    let mut stages = Stages::default();
    let encoding = args.encoding;
    {
        let _spinner = console.progress("writing the tower", None);
        stages.time("write", || match format {
            TowerFormat::Gguf => {
                let processor = model.processor()?;
                processor.check(&config)?;
                atomic::write(path, |out| {
                    Ok(checkpoint.write_gguf(&config, processor.config(), encoding, out)?)
                })
            }
            TowerFormat::Safetensors => atomic::write(path, |out| {
                Ok(checkpoint.write_safetensors(&config, encoding, out)?)
            }),
        })?;
    }
    let written = Checkpoint::open(path)?.inspect(&config);
    let total: u64 = written.bytes.values().sum();
    let by_type = written.bytes.iter();
    let by_type = by_type.map(|(stored, &bytes)| format!("{stored} {}", table::bytes(bytes)));
    let pairs = table::pairs(&[
        ("weights", name.clone()),
        ("tensors", written.tensors.to_string()),
        ("parameters", table::millions(written.parameters)),
        ("bytes", by_type.collect::<Vec<_>>().join(", ")),
        ("time", stages.to_string()),
        ("written", path.display().to_string()),
    ]);
    let by_type = written.bytes.iter();
    let by_type = by_type.map(|(stored, bytes)| (stored.to_string(), json!(bytes)));
    let json = json!({
        "model": name,
        "type": encoding.to_string(),
        "tensors": written.tensors,
        "parameters": written.parameters,
        "bytes": total,
        "bytes_by_type": Value::Object(by_type.collect()),
        "seconds": stages.json(),
        "output": path.to_string_lossy(),
    });
    console.report(&pairs, &json)
}
