use anyhow::{Context, Result};
use glm4v::{DeviceInfo, VisionEncoder};
use ndarray::Array2;
use serde_json::json;

use crate::args::EncodeArgs;
use crate::console::{Console, Report};
use crate::output::Rows;
use crate::pictures::Pictures;
use crate::stages::Stages;
use crate::values::{Dtype, OutputFile};
use crate::weights::Weights;
use crate::{atomic, layout};

/// More patches than this are not encoded at once, so that memory depends on the largest picture and not on how many.
const BATCH_PATCHES: usize = 16_384;

/// Pictures to embeddings. All that is quick to refuse is looked at first, the pictures too: loading takes longest.
pub(crate) fn run(args: EncodeArgs, console: &Console) -> Result<()> {
    let weights = Weights::new(args.model, args.preset, args.seed);
    weights.check()?;
    let processor = weights.processor()?;
    let device = args.device.find()?;
    if let Some(file) = &args.output {
        atomic::check(&file.path)?;
    }

    let mut stages = Stages::default();
    let pictures = stages.time("read", || {
        Pictures::read(args.pictures, &processor, console)
    })?;
    console.detail(&format!(
        "read {}",
        layout::count(pictures.pixels.len(), "picture")
    ));
    weights.announce(console);
    let encoder = {
        let _spinner = console.progress("loading weights", None);
        let load = || weights.load(&device.spec.open()?, args.dtype);
        stages.time("load", load)?
    };
    console.detail(&format!(
        "loaded {weights} onto {} ({})",
        device.spec, device.name
    ));
    let embeddings = encode(&encoder, &pictures, &mut stages, console)?;
    if let Some(file) = &args.output {
        let rows = Rows {
            name: "embeddings",
            values: embeddings.view(),
            grids: pictures.grids(),
        };
        stages.time("write", || rows.write(file))?;
    }
    let non_finite = embeddings.iter().filter(|value| !value.is_finite()).count();
    if non_finite > 0 {
        console.warning(&format!(
            "{non_finite} of {} values are infinite or not a number{}",
            embeddings.len(),
            if args.dtype == Dtype::F16 {
                "; --dtype bf16 has the range that f16 lacks"
            } else {
                ""
            }
        ));
    }
    let summary = Summary {
        pictures: &pictures,
        weights: &weights,
        device: &device,
        dtype: args.dtype,
        shape: embeddings.dim(),
        non_finite,
        stages: &stages,
        output: args.output.as_ref(),
    };
    console.report(&summary.report())
}

/// [tokens, out_hidden_size]
fn encode(
    encoder: &VisionEncoder,
    pictures: &Pictures,
    stages: &mut Stages,
    console: &Console,
) -> Result<Array2<f32>> {
    let bar = console.progress("encoding pictures", Some(pictures.pixels.len()));
    let mut values = Vec::new();
    for batch in pictures.batches(BATCH_PATCHES) {
        let count = batch.len();
        let pixels = &pictures.pixels[batch];
        let patches = stages.time("preprocess", || encoder.processor().images(pixels))?;
        // A GPU works until its values are read: only then is the time known, and whether it failed.
        let read = stages.time("encode", || {
            let output = encoder.encode(&patches)?;
            let read = output.embeddings.try_into_vec_as::<f32>();
            read.context("the device failed")
        });
        values.extend(read?);
        bar.inc(count as u64);
        console.detail(&format!("encoded {}", layout::count(count, "picture")));
    }
    let width = encoder.config().out_hidden_size;
    Ok(Array2::from_shape_vec(
        (values.len() / width, width),
        values,
    )?)
}

/// What was done, and how long it took.
struct Summary<'a> {
    pictures: &'a Pictures,
    weights: &'a Weights,
    device: &'a DeviceInfo,
    dtype: Dtype,
    shape: (usize, usize),
    non_finite: usize,
    stages: &'a Stages,
    output: Option<&'a OutputFile>,
}

impl Summary<'_> {
    fn report(&self) -> Report {
        let (tokens, width) = self.shape;
        let Self {
            pictures,
            weights,
            device,
            dtype,
            stages,
            ..
        } = self;
        let pictures_total = layout::count(pictures.pixels.len(), "picture");
        let written = match self.output {
            Some(file) => file.path.display().to_string(),
            None => "nothing; keep the embeddings with -o FILE".to_owned(),
        };
        let about = layout::pairs(&[
            (
                "total",
                format!("{pictures_total}, {}", layout::count(tokens, "token")),
            ),
            ("embeddings", format!("[{tokens}, {width}] f32")),
            ("weights", weights.to_string()),
            (
                "computed",
                format!("in {dtype} on {} ({})", device.spec, device.name),
            ),
            ("time", stages.to_string()),
            ("written", written),
        ]);
        Report {
            text: format!("{}\n{about}", pictures.table()),
            json: json!({
                "inputs": pictures.json(),
                "tokens": tokens,
                "shape": [tokens, width],
                "weights": weights.json(),
                "dtype": dtype.to_string(),
                "device": {"spec": device.spec.to_string(), "name": device.name},
                "non_finite": self.non_finite,
                "seconds": stages.json(),
                "output": self.output.map(|file| file.path.to_string_lossy()),
            }),
        }
    }
}
