mod cached;
mod handover;
mod job;
mod outputs;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use glm4v::cached::Identity;
use glm4v::pipeline::InputInfo;
use glm4v::preprocess::ImageCodec;
use glm4v::{AttentionQuery, ComputeType, VisionEncoder};
use glm4v_store::EmbeddingCache;
use ndarray::ArrayView2;
use serde_json::json;

use self::cached::CachedEncoder;
use self::handover::HandOver;
use self::job::JobArgs;
use self::outputs::Outputs;
use crate::args::{ComputeArgs, InputArgs};
use crate::console::Console;
use crate::failure::misuse;
use crate::listed::Listed;
use crate::output::Output;
use crate::reading::Reading;
use crate::session::Session;
use crate::stages::Stages;
use crate::values::{OnError, OutputFile, OutputFormat, OutputTarget, attention_query, memory};
use crate::{atomic, listing, table};

#[derive(Args, Debug)]
#[command(after_help = after_help(), mut_arg("inputs", |arg| arg.required_unless_present_any(["resume"])))]
pub(crate) struct EncodeArgs {
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    /// File for the embeddings, whose format the end of the name selects; or a directory, as in embeddings/, for a job. See
    /// below
    #[arg(short, long, value_name = "FILE|DIR/", value_parser = PathBufValueParser::new().try_map(OutputTarget::new))]
    output: Option<OutputTarget>,
    /// What happens with an input that fails [default: a file stops; a job skips it, unless an argument does not exist or
    /// the machine is at fault]
    #[arg(long, value_enum)]
    on_error: Option<OnError>,
    /// Store embeddings in this directory, and reuse those that it has
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// The size of the cache in bytes, or as 900M or 4G; the least recently used embeddings are removed first
    #[arg(long, value_name = "BYTES", value_parser = memory, default_value = "10G", requires = "cache")]
    cache_size: u64,
    /// Write the embeddings for another program
    #[arg(long, value_enum, conflicts_with_all = ["last_hidden_state", "hidden_states", "attention"])]
    to: Option<HandOver>,
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    extra: ExtraOutputArgs,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Extra outputs (.safetensors only)")]
struct ExtraOutputArgs {
    /// Also write the last hidden state, which is the input of the merger
    #[arg(long)]
    last_hidden_state: bool,
    /// Also write the outputs of these blocks, counted from 0, as in 5,11,23
    #[arg(long, value_name = "BLOCKS", value_delimiter = ',')]
    hidden_states: Vec<usize>,
    /// Also write the attention of one patch: block, input, temporal patch, row and column, counted from 0, as in
    /// 23:0:0:8:5
    #[arg(long, value_name = "B:I:T:Y:X", value_parser = attention_query)]
    attention: Vec<AttentionQuery>,
}

impl ExtraOutputArgs {
    fn is_given(&self) -> bool {
        self.last_hidden_state || !self.hidden_states.is_empty() || !self.attention.is_empty()
    }
}

fn after_help() -> String {
    let images = ImageCodec::names();
    let format =
        |format: OutputFormat| format!("  {:14}{}\n", format.extension(), format.content());
    let formats = OutputFormat::ALL.map(format).concat();
    format!(
        "\
Images are files of any size in these formats: {images}. Only the first page of a TIFF is read.
Videos are video files (mp4, mkv, webm, mov, avi and others), animated GIF, WebP and PNG files, and folders of frames
with --source-fps. The programs ffmpeg and ffprobe decode the video files. A video from a pipe is saved first, in the
directory that TMPDIR names, up to 8 GiB.
In a folder or a tar archive, each image and each video is an input. Other files there are left alone. With
--source-fps a folder is one video.
The embeddings of all inputs go into one file, in order. grid_thw gives the grid of each input. An input has
t·h·w / spatial_merge_size² rows.

Formats of -o FILE, by the end of the name:
{formats}
The file appears only when it is complete. Without -o nothing is written.

With -o DIR/ the command is a job. It writes files of about 512 MiB into the directory, as it goes, so that any number of
inputs takes the same memory. An input that fails is recorded with its error, and the job goes on. After an interruption of
any kind, the same command goes on where the job was, and ends with the same bytes. --resume without inputs does the same.
docs/bulk.md has more.

{EXAMPLES}"
    )
}

const EXAMPLES: &str = "\
Extra outputs:
  --last-hidden-state  last_hidden_state f32 [tokens, out_hidden_size]
  --hidden-states      hidden_states.BLOCK f32 [patches, hidden_size], by input, temporal patch, row and column
  --attention          attention.B:I:T:Y:X f32 [num_heads, h, w]

Examples:
  glm4v encode cat.jpg
  glm4v encode cat.jpg walk.mp4 -m zai-org/GLM-4.1V-9B-Thinking -o pets.safetensors
  glm4v encode scans/*.tiff -m GLM-4.1V-9B-Thinking --device cuda:1 --dtype bf16 -o scans.npy
  glm4v encode frames/ --source-fps 25 --fps 1 --json
  glm4v encode photos/ -r -m zai-org/GLM-4.1V-9B-Thinking --output-dtype f16 -o embeddings/
  curl -s https://example.com/cat.jpg | glm4v encode - -o cat.npy";

/// Encodes images and videos. Everything that can fail fast is checked before the weights are loaded.
///
/// The exit status tells whether inputs were skipped.
pub(crate) fn run(args: &EncodeArgs, console: &Console) -> Result<u8> {
    let failed = match (&args.to, &args.output) {
        (Some(to), _) => handover::run(args, *to, console),
        (None, Some(OutputTarget::Directory(dir))) => job::run(args, dir, console),
        (None, Some(OutputTarget::File(file))) => one_file(args, Some(file), console),
        (None, None) => one_file(args, None, console),
    }?;
    Ok(if failed > 0 { SKIPPED } else { 0 })
}

/// The exit status if inputs were skipped.
const SKIPPED: u8 = 3;

/// Refuses extra outputs that would not be written.
fn check_extra_outputs(output: Option<&OutputFile>) -> Result<()> {
    match output {
        Some(file) if file.format == OutputFormat::Safetensors => Ok(()),
        Some(file) => Err(misuse(format!(
            "{}: extra outputs can be written to .safetensors only",
            file.path.display()
        ))),
        None => Err(misuse(
            "--last-hidden-state, --hidden-states and --attention need a file, as in -o photo.safetensors",
        )),
    }
}

/// Encodes all inputs into one file. Returns the number of inputs that were skipped.
fn one_file(args: &EncodeArgs, output: Option<&OutputFile>, console: &Console) -> Result<usize> {
    args.job
        .refuse("needs a directory for the output, as in -o embeddings/")?;
    let has_extra = args.extra.is_given();
    if has_extra && (args.cache.is_some() || args.on_error == Some(OnError::Skip)) {
        return Err(misuse(
            "--cache and --on-error skip cannot be combined with extra outputs",
        ));
    }
    if has_extra {
        check_extra_outputs(output)?;
    }
    let on_error = args.on_error.unwrap_or(OnError::Stop);
    let session = Session::new(&args.compute, &args.inputs.read, console)?;
    let listed = Listed::of(&args.inputs, on_error, console)?;
    let mut outputs = Outputs::new(&args.extra, listed.sources.len())?;
    if has_extra {
        session
            .devices
            .require_one("--last-hidden-state, --hidden-states and --attention")?;
    }
    if let Some(file) = output {
        atomic::check(&file.path)?;
    }
    let mut stages = Stages::default();
    let (encoder, mut reading, first) =
        session.start(listed, on_error, &outputs.options, &mut stages)?;
    // Without a cache nobody needs the identity, and finding it reads all weights.
    let identity = match args.cache {
        Some(_) => cached::identity(&session)?,
        None => Identity::default(),
    };
    let mut cached = args.cached(&session, &encoder, identity)?;
    let mut encoded = Vec::new();
    let (mut next, mut tokens) = (Some(first), 0);
    let options = outputs.options.clone();
    while let Some(batch) = next {
        for part in cached.fitting(Reading::unread(batch), &options) {
            let (inputs, patches) = reading.accept(part)?;
            let result = stages.time("encode", || match (inputs.len(), has_extra) {
                (0, _) => Ok(()),
                (_, true) => outputs.encode_extra(&encoder, &patches),
                // The next batch may need the memory of this one.
                (_, false) => cached.encode(patches).map(|values| outputs.append(values)),
            });
            result.map_err(|error| session.explain(error))?;
            tokens += inputs.iter().map(|input| input.tokens).sum::<usize>();
            console.detail(&format!("encoded {} so far", table::count(tokens, "token")));
            encoded.extend(inputs);
        }
        next = stages.time("read", || reading.next())?;
    }
    let failed = reading.failed;
    drop(reading);
    if encoded.is_empty() {
        bail!("none of the inputs can be encoded");
    }
    let embeddings = outputs.embeddings(&session.config)?;
    if let Some(file) = output {
        let content = Output {
            name: "embeddings",
            values: embeddings,
            inputs: &encoded,
            extra: outputs.extra(&session.config),
        };
        stages.time("write", || content.write(file))?;
    }
    report(&session, &encoded, embeddings, &stages, output, failed)?;
    Ok(failed)
}

impl EncodeArgs {
    /// The encoder with the cache that `--cache` names.
    fn cached<'a>(
        &self,
        session: &Session<'a>,
        encoder: &'a VisionEncoder,
        identity: Identity,
    ) -> Result<CachedEncoder<'a>> {
        let open = |dir: &PathBuf| EmbeddingCache::open(dir, self.cache_size).map(Arc::new);
        Ok(CachedEncoder {
            encoder,
            cache: self.cache.as_ref().map(open).transpose()?,
            identity,
            hits: 0,
            console: session.console,
        })
    }
}

fn report(
    session: &Session<'_>,
    inputs: &[InputInfo],
    embeddings: ArrayView2<'_, f32>,
    stages: &Stages,
    output: Option<&OutputFile>,
    failed: usize,
) -> Result<()> {
    let (weights, devices, console) = (&session.weights, &session.devices, session.console);
    let (dtype, (tokens, width)) = (session.compute.device.dtype, embeddings.dim());
    let non_finite = warn_of_non_finite(embeddings, dtype, console);
    let count = table::count(tokens, "token");
    let written = match output {
        Some(file) => file.path.display().to_string(),
        None => "nothing; use -o FILE to save the embeddings".to_owned(),
    };
    let pairs = table::pairs(&[
        (
            "total",
            format!("{}, {count}{}", listing::count(inputs), skipped(failed)),
        ),
        ("embeddings", format!("[{tokens}, {width}] f32")),
        ("weights", weights.to_string()),
        ("computed", format!("in {dtype} on {devices}")),
        ("time", stages.to_string()),
        ("written", written),
    ]);
    let json = json!({
        "inputs": listing::json(inputs),
        "skipped": failed,
        "tokens": tokens,
        "shape": [tokens, width],
        "weights": weights.json(),
        "dtype": dtype.to_string(),
        "device": devices.json(),
        "non_finite": non_finite,
        "seconds": stages.json(),
        "output": output.map(|file| file.path.to_string_lossy()),
    });
    console.report(&format!("{}\n{pairs}", listing::text(inputs)), &json)
}

/// As in `, 2 skipped`; empty without.
fn skipped(failed: usize) -> String {
    match failed {
        0 => String::new(),
        failed => format!(", {failed} skipped"),
    }
}

/// The number of values that are infinite or NaN.
fn warn_of_non_finite(
    embeddings: ArrayView2<'_, f32>,
    dtype: ComputeType,
    console: &Console,
) -> usize {
    let count = embeddings.iter().filter(|value| !value.is_finite()).count();
    if count > 0 {
        let all = embeddings.len();
        let hint = match dtype {
            ComputeType::F16 => "; use --dtype bf16, which has a larger range than f16",
            ComputeType::Float(_) | ComputeType::Int8 => "",
        };
        console.warning(&format!(
            "{count} of {all} values are infinite or not a number{hint}"
        ));
    }
    count
}
