mod summary;

use anyhow::Result;
use glm4v::{Error, VisionEncoder};
use ndarray::Array2;

use self::summary::Summary;
use crate::args::EncodeArgs;
use crate::console::Console;
use crate::output::Rows;
use crate::pictures::Pictures;
use crate::stages::Stages;
use crate::values::Dtype;
use crate::weights::Weights;
use crate::{atomic, failure, layout};

/// More patches than this are not encoded at once: the device's memory then depends on the largest picture, and not on
/// how many there are.
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
    weights.announce(console);
    let encoder = {
        let _spinner = console.progress("loading weights", None);
        stages.time("load", || weights.load(&device, args.dtype))?
    };
    console.detail(&format!("loaded {weights} onto {}", device.spec));
    let embeddings = encode(&encoder, &pictures, &mut stages, console)?;
    if let Some(file) = &args.output {
        let rows = Rows {
            name: "embeddings",
            values: embeddings.view(),
            grids: pictures.grids(),
        };
        stages.time("write", || rows.write(file))?;
    }
    let summary = Summary {
        pictures: &pictures,
        weights: &weights,
        device: &device,
        dtype: args.dtype,
        shape: embeddings.dim(),
        non_finite: warn_of_non_finite(&embeddings, args.dtype, console),
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
        let read = stages.time("encode", || encoder.encode(&patches)?.into_values());
        let read = read.map_err(|error| match error {
            Error::Execution(account) => {
                console.detail(&account);
                Error::Execution(failure::root(&account).to_owned())
            }
            error => error,
        });
        values.extend(read?);
        bar.inc(count as u64);
        let tokens = layout::count(values.len() / encoder.config().out_hidden_size, "token");
        console.detail(&format!("encoded {tokens} so far"));
    }
    let width = encoder.config().out_hidden_size;
    Ok(Array2::from_shape_vec(
        (values.len() / width, width),
        values,
    )?)
}

/// How many values are infinite or not a number.
fn warn_of_non_finite(embeddings: &Array2<f32>, dtype: Dtype, console: &Console) -> usize {
    let count = embeddings.iter().filter(|value| !value.is_finite()).count();
    let hint = match dtype {
        Dtype::F16 => "; --dtype bf16 has the range that f16 lacks",
        _ => "",
    };
    if count > 0 {
        let all = embeddings.len();
        console.warning(&format!(
            "{count} of {all} values are infinite or not a number{hint}"
        ));
    }
    count
}
