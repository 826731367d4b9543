use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::args::PreprocessArgs;
use crate::commands::encode::packed;
use crate::console::{Console, Report};
use crate::forecast::Ahead;
use crate::inputs::{self, Inputs};
use crate::output::Found;
use crate::stages::Stages;
use crate::weights::Weights;
use crate::{atomic, layout};

/// Pictures and clips to a file of patch rows.
pub(crate) fn run(args: PreprocessArgs, console: &Console) -> Result<()> {
    let processor = Weights::configs(&args.model, console)?.processor()?;
    let processor = Arc::new(inputs::with_sampling(processor, &args.inputs.reading)?);
    let file = &args.output;
    atomic::check(&file.path)?;

    let mut stages = Stages::default();
    let mut inputs = Inputs::new(args.inputs, &processor, Ahead::ALL, console)?;
    let all = stages.time("read", || inputs.next_batch())?;
    drop(inputs);
    let (about, patches) = packed(all.unwrap_or_default())?;
    let pixel_values = patches.pixel_values();
    let found = Found {
        name: "pixel_values",
        values: pixel_values.view(),
        inputs: &about,
        more: Vec::new(),
    };
    stages.time("write", || found.write(file))?;

    let tokens = patches.num_tokens(processor.config().merge_size);
    let shape = pixel_values.shape();
    let totals = layout::pairs(&[
        (
            "total",
            format!(
                "{} patches for {}",
                patches.num_patches(),
                layout::count(tokens, "token")
            ),
        ),
        ("pixel_values", format!("{shape:?} f32")),
        ("time", stages.to_string()),
        ("written", file.path.display().to_string()),
    ]);
    console.report(&Report {
        text: format!("{}\n{totals}", inputs::table(&about)),
        json: json!({
            "inputs": inputs::json(&about),
            "patches": patches.num_patches(),
            "tokens": tokens,
            "shape": shape,
            "dtype": "f32",
            "seconds": stages.json(),
            "output": file.path.to_string_lossy(),
        }),
    })
}
