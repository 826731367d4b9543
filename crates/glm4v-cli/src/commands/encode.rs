mod collected;
mod summary;

use std::sync::Arc;

use anyhow::{Result, bail};
use glm4v::Patches;

use self::collected::Collected;
use self::summary::Summary;
use crate::args::EncodeArgs;
use crate::console::Console;
use crate::devices::Devices;
use crate::forecast::{Ahead, Fitting, Work};
use crate::inputs::{self, About, Batch, Inputs};
use crate::output::Found;
use crate::room::Room;
use crate::stages::Stages;
use crate::values::{Dtype, Format};
use crate::weights::Weights;
use crate::{atomic, layout};

/// Pictures and clips to embeddings. All that is quick to refuse is looked at first, the first inputs too: loading
/// takes longest.
pub(crate) fn run(args: EncodeArgs, console: &Console) -> Result<()> {
    let EncodeArgs {
        inputs,
        compute,
        output,
        more,
    } = args;
    let weights = Weights::new(&compute, console)?;
    let config = weights.config()?;
    let processor = inputs::with_sampling(weights.processor()?, &inputs.reading)?;
    let processor = Arc::new(processor);
    let devices = Devices::find(&compute.device)?;
    let mut collected = Collected::new(&more, inputs.inputs.len())?;
    let work = Work {
        config: &config,
        target: devices.target(&compute.device),
        kept: collected.kept(&config),
    };
    if collected.wants_more() {
        devices.one("more of the tower than its embeddings")?;
    }
    match &output {
        Some(file) if file.format != Format::Safetensors && collected.wants_more() => bail!(
            "{}: more of the tower than its embeddings goes into .safetensors only",
            file.path.display()
        ),
        Some(file) => atomic::check(&file.path)?,
        None => {}
    }
    let mut stages = Stages::default();
    let ahead = Ahead::usual(work.target);
    let mut inputs = Inputs::new(inputs, &processor, ahead, console)?;
    let fitting = Fitting {
        work,
        room: Room::new(compute.device.max_memory),
        device: devices.tightest(),
    };
    let (mut batch, cut) = stages.time("read", || fitting.first_batch(&mut inputs))?;
    weights.announce(console);
    let encoder = {
        let _spinner = console.progress("loading weights", None);
        let bound = |encoder| fitting.bound(encoder, cut);
        stages.time("load", || devices.load(&weights, &compute, bound))?
    };
    console.detail(&format!("loaded {weights} onto {}", devices.spec()));
    let explain = |error| devices.explain(error, &|account| console.detail(account));
    let mut encoded = Vec::new();
    while let Some(read) = batch {
        let (about, patches) = packed(read)?;
        stages.time("encode", || {
            // A GPU works until its values are read: only then is the time known, and whether it failed.
            collected.encode(&encoder, &patches).map_err(explain)
        })?;
        encoded.extend(about);
        let tokens: usize = encoded.iter().map(About::tokens).sum();
        console.detail(&format!(
            "encoded {} so far",
            layout::count(tokens, "token")
        ));
        batch = stages.time("read", || inputs.next_batch())?;
    }
    let embeddings = collected.embeddings(config.out_hidden_size)?;
    if let Some(file) = &output {
        let found = Found {
            name: "embeddings",
            values: embeddings,
            inputs: &encoded,
            more: collected.more(&config),
        };
        stages.time("write", || found.write(file))?;
    }
    let summary = Summary {
        inputs: &encoded,
        weights: &weights,
        devices: &devices,
        dtype: compute.device.dtype,
        shape: embeddings.dim(),
        non_finite: warn_of_non_finite(collected.values(), compute.device.dtype, console),
        stages: &stages,
        output: output.as_ref(),
    };
    console.report(&summary.report())
}

/// Inputs as one batch.
pub(crate) fn packed(batch: Batch) -> Result<(Vec<About>, Patches)> {
    let (about, mut patches): (Vec<About>, Vec<Patches>) = batch.into_iter().unzip();
    let patches = match patches.len() {
        1 => patches.remove(0),
        _ => Patches::concat(&patches)?,
    };
    Ok((about, patches))
}

/// How many values are infinite or not a number.
fn warn_of_non_finite(embeddings: &[f32], dtype: Dtype, console: &Console) -> usize {
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
