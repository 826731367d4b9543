use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use glm4v::config::ImageProcessorConfig;
use glm4v::image::{RgbImage, codecs::png::PngEncoder};
use glm4v::preprocess::unpatchify;
use glm4v::viz::{colors, overlay, principal_components, sheet};
use glm4v::{EncodeOptions, Patches, VisionEncoder, values};
use ndarray::ArrayView2;
use serde_json::json;

use crate::args::{ComputeArgs, ReadArgs};
use crate::console::Console;
use crate::listed::Listed;
use crate::session::Session;
use crate::stages::Stages;
use crate::values::{OnError, fraction, png_file};
use crate::{atomic, interrupt, listing, table};

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VizArgs {
    /// Image file, video file, folder of video frames, or pipe; - is the standard input
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    /// File for the drawing; the name ends in .png
    #[arg(short, long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(png_file))]
    output: PathBuf,
    /// Draw the output of this block, counted from 0, instead of the embeddings
    #[arg(long)]
    block: Option<usize>,
    /// Opacity of the colors over the input, from 0 to 1
    #[arg(long, default_value_t = 0.7, value_parser = fraction)]
    opacity: f32,
}

const EXAMPLES: &str = "\
The first three principal components of the embeddings become red, green and blue. Places that are alike to the encoder
have the same color. The colors lie over the input as the encoder sees it, resized. A video becomes a sheet with one frame
for each temporal patch; a color means the same in all of them.

Examples:
  glm4v viz cat.jpg -m zai-org/GLM-4.1V-9B-Thinking -o cat.png
  glm4v viz walk.mp4 -m GLM-4.6V-Flash --block 23 --opacity 1 -o walk.png";

/// Red, green and blue.
const COMPONENTS: usize = 3;

/// Draws the principal components of an input's embeddings as colors.
pub(crate) fn run(args: VizArgs, console: &Console) -> Result<()> {
    let session = Session::new(&args.compute, &args.read, console)?;
    session.devices.require_one("viz")?;
    atomic::check(&args.output)?;

    let mut stages = Stages::default();
    let options = EncodeOptions {
        hidden_states: args.block.into_iter().collect(),
        cancel: Some(interrupt::token()),
        ..EncodeOptions::default()
    };
    let (encoder, reading, (inputs, patches)) = session.start(
        Listed::one(args.input)?,
        OnError::Stop,
        &options,
        &mut stages,
    )?;
    drop(reading);
    let features = stages.time("encode", || features(&encoder, &patches, &options));
    let (rows, shape) = features.map_err(|error| session.explain(error))?;
    let colors = stages.time("draw", || place_colors(&rows, shape))?;
    let config = match inputs[0].frames {
        Some(_) => &session.processor.video()?.config().frames,
        None => session.processor.config(),
    };
    let drawing = stages.time("draw", || {
        draw(config, &patches, &colors, shape, args.opacity)
    })?;
    atomic::write(&args.output, |writer| {
        Ok(drawing.write_with_encoder(PngEncoder::new(writer))?)
    })?;

    let (width, height) = drawing.dimensions();
    let drawn = match args.block {
        None => "embeddings".to_owned(),
        Some(block) => format!("output of block {block}"),
    };
    let [t, h, w, features] = shape;
    let pairs = table::pairs(&[
        ("weights", session.weights.to_string()),
        ("drawn", format!("{drawn}, {t}×{h}×{w} of width {features}")),
        ("size", format!("{width}×{height}")),
        ("time", stages.to_string()),
        ("written", args.output.display().to_string()),
    ]);
    let json = json!({
        "inputs": listing::json(&inputs),
        "weights": session.weights.json(),
        "block": args.block,
        "width": width,
        "height": height,
        "seconds": stages.json(),
        "output": args.output.to_string_lossy(),
    });
    console.report(&format!("{}\n{pairs}", listing::text(&inputs)), &json)
}

/// The output of the block in `options`, or the embeddings. Their shape is [t, h, w, width].
fn features(
    encoder: &VisionEncoder,
    patches: &Patches,
    options: &EncodeOptions,
) -> Result<(Vec<f32>, [usize; 4]), glm4v::Error> {
    let output = encoder.encode_with(patches, options)?;
    let block = output.hidden_states.into_iter().flatten().next();
    let map = block.unwrap_or_else(|| output.embeddings.map());
    let shape = map.dims();
    Ok((values(map)?, shape))
}

/// One color for each place.
fn place_colors(features: &[f32], [t, h, w, width]: [usize; 4]) -> Result<Vec<[u8; 3]>> {
    ensure!(
        t * h * w >= COMPONENTS,
        "the input has only {}, and a drawing needs {COMPONENTS}; use a larger input, or --block N to draw patches",
        table::count(t * h * w, "token")
    );
    let invalid = features.iter().filter(|value| !value.is_finite()).count();
    ensure!(
        invalid == 0,
        "{invalid} values are infinite or not a number, so they cannot be drawn"
    );
    let rows = ArrayView2::from_shape((t * h * w, width), features)?;
    Ok(colors(principal_components(rows, COMPONENTS).view()))
}

/// A sheet of the frames with the colors over them.
fn draw(
    config: &ImageProcessorConfig,
    patches: &Patches,
    colors: &[[u8; 3]],
    [_, h, w, _]: [usize; 4],
    opacity: f32,
) -> Result<RgbImage> {
    let input = patches.iter().next().expect("the batch has one input");
    let mut frames = Vec::new();
    for (frame, colors) in colors.chunks_exact(h * w).enumerate() {
        let mut image = unpatchify(config, input, frame)?;
        overlay(&mut image, colors, (h, w), opacity);
        frames.push(image);
    }
    Ok(sheet(&frames))
}
