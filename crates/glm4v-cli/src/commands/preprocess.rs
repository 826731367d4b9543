use anyhow::Result;
use serde_json::json;

use crate::args::PreprocessArgs;
use crate::console::{Console, Report};
use crate::output::Rows;
use crate::pictures::Pictures;
use crate::stages::Stages;
use crate::weights::Weights;
use crate::{atomic, layout};

/// Pictures to a file of patch rows.
pub(crate) fn run(args: PreprocessArgs, console: &Console) -> Result<()> {
    let processor = Weights::new(args.model, args.preset, None).processor()?;
    let file = &args.output;
    atomic::check(&file.path)?;

    let mut stages = Stages::default();
    let pictures = stages.time("read", || {
        Pictures::read(args.pictures, &processor, console)
    })?;
    let patches = {
        let _spinner = console.progress("preprocessing", None);
        stages.time("preprocess", || processor.images(&pictures.pixels))?
    };
    let rows = Rows {
        name: "pixel_values",
        values: patches.pixel_values().view(),
        grids: patches.grids(),
    };
    stages.time("write", || rows.write(file))?;

    let tokens = patches.num_tokens(processor.config().merge_size);
    let shape = rows.values.shape();
    let about = layout::pairs(&[
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
        text: format!("{}\n{about}", pictures.table()),
        json: json!({
            "inputs": pictures.json(),
            "patches": patches.num_patches(),
            "tokens": tokens,
            "shape": shape,
            "dtype": "f32",
            "seconds": stages.json(),
            "output": file.path.to_string_lossy(),
        }),
    })
}
