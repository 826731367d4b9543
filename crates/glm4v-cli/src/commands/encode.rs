mod outputs;

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use glm4v::AttentionQuery;
use glm4v::pipeline::InputInfo;
use glm4v::preprocess::ImageCodec;
use glm4v::weights::Encoding;
use ndarray::ArrayView2;
use serde_json::json;

use self::outputs::Outputs;
use crate::args::{ComputeArgs, InputArgs};
use crate::console::Console;
use crate::output::Output;
use crate::session::Session;
use crate::stages::Stages;
use crate::values::{OutputFile, OutputFormat, attention_query};
use crate::{atomic, listing, table};

#[derive(Args, Debug)]
#[command(after_help = after_help())]
pub(crate) struct EncodeArgs {
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    /// File for the embeddings; the end of the name selects the format, see below
    #[arg(short, long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(|path| OutputFile::new(path, &OutputFormat::ALL)))]
    output: Option<OutputFile>,
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
    /// Also write the attention of one patch: block, input, frame, row and column, counted from 0, as in 23:0:0:8:5
    #[arg(long, value_name = "B:I:T:Y:X", value_parser = attention_query)]
    attention: Vec<AttentionQuery>,
}

fn after_help() -> String {
    let images = ImageCodec::names();
    let format =
        |format: OutputFormat| format!("  {:14}{}\n", format.extension(), format.content());
    let formats = OutputFormat::ALL.map(format).concat();
    format!(
        "\
Images are files of any size in these formats: {images}. Of a TIFF the first page is read.
Videos are video files (mp4, mkv, webm, mov, avi and others), animated GIF, WebP and PNG files, and folders of frames,
which need --source-fps. The programs ffmpeg and ffprobe decode the video files. A video from a pipe is saved first, in the
directory that TMPDIR names, up to 8 GiB.
The embeddings of all inputs go into one file, in order. grid_thw gives the grid of each input. An input has
t·h·w / spatial_merge_size² rows.

Formats of -o FILE, by the end of the name:
{formats}
The file appears only when it is complete. Without -o nothing is written.

{EXAMPLES}"
    )
}

const EXAMPLES: &str = "\
Extra outputs:
  --last-hidden-state  last_hidden_state f32 [tokens, out_hidden_size]
  --hidden-states      hidden_states.BLOCK f32 [patches, hidden_size], by input, frame, row and column
  --attention          attention.B:I:T:Y:X f32 [num_heads, h, w]

Examples:
  glm4v encode cat.jpg
  glm4v encode cat.jpg walk.mp4 -m zai-org/GLM-4.1V-9B-Thinking -o pets.safetensors
  glm4v encode scans/*.tiff -m GLM-4.1V-9B-Thinking --device cuda:1 --dtype bf16 -o scans.npy
  glm4v encode frames/ --source-fps 25 --fps 1 --json
  curl -s https://example.com/cat.jpg | glm4v encode - -o cat.npy";

/// Encodes images and videos. Everything that can fail fast is checked before the weights are loaded.
pub(crate) fn run(args: EncodeArgs, console: &Console) -> Result<()> {
    let (paths, output) = (args.inputs.inputs, args.output);
    let session = Session::new(&args.compute, &args.inputs.read, console)?;
    let mut outputs = Outputs::new(&args.extra, paths.len())?;
    let has_extra = outputs.options.wants_extra();
    if has_extra {
        session
            .devices
            .require_one("--last-hidden-state, --hidden-states and --attention")?;
    }
    match &output {
        Some(file) if file.format != OutputFormat::Safetensors && has_extra => bail!(
            "{}: extra outputs can be written to .safetensors only",
            file.path.display()
        ),
        Some(file) => atomic::check(&file.path)?,
        None => {}
    }
    let mut stages = Stages::default();
    let (encoder, mut reading, first) = session.start(paths, &outputs.options, &mut stages)?;
    let mut encoded = Vec::new();
    let (mut next, mut tokens) = (Some(first), 0);
    while let Some((inputs, patches)) = next {
        let result = stages.time("encode", || outputs.encode(&encoder, &patches));
        result.map_err(|error| session.explain(error))?;
        tokens += inputs.iter().map(|input| input.tokens).sum::<usize>();
        console.detail(&format!("encoded {} so far", table::count(tokens, "token")));
        encoded.extend(inputs);
        // The next batch may need the memory of this one.
        drop(patches);
        next = stages.time("read", || reading.next())?;
    }
    drop(reading);
    let embeddings = outputs.embeddings(&session.config)?;
    if let Some(file) = &output {
        let content = Output {
            name: "embeddings",
            values: embeddings,
            inputs: &encoded,
            extra: outputs.extra(&session.config),
        };
        stages.time("write", || content.write(file))?;
    }
    report(&session, &encoded, embeddings, &stages, output.as_ref())
}

fn report(
    session: &Session<'_>,
    inputs: &[InputInfo],
    embeddings: ArrayView2<'_, f32>,
    stages: &Stages,
    output: Option<&OutputFile>,
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
        ("total", format!("{}, {count}", listing::count(inputs))),
        ("embeddings", format!("[{tokens}, {width}] f32")),
        ("weights", weights.to_string()),
        ("computed", format!("in {dtype} on {devices}")),
        ("time", stages.to_string()),
        ("written", written),
    ]);
    let json = json!({
        "inputs": listing::json(inputs),
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

/// The number of values that are infinite or NaN.
fn warn_of_non_finite(
    embeddings: ArrayView2<'_, f32>,
    dtype: Encoding,
    console: &Console,
) -> usize {
    let count = embeddings.iter().filter(|value| !value.is_finite()).count();
    if count > 0 {
        let all = embeddings.len();
        let hint = match dtype {
            Encoding::F16 => "; use --dtype bf16, which has a larger range than f16",
            Encoding::F32 | Encoding::Bf16 | Encoding::Q8_0 => "",
        };
        console.warning(&format!(
            "{count} of {all} values are infinite or not a number{hint}"
        ));
    }
    count
}
