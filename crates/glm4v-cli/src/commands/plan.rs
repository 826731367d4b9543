use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use glm4v::config::PatchKind;
use glm4v::model::Footprint;
use glm4v::pipeline::{InputInfo, Inputs};
use glm4v::plan::{BatchLimits, InputSize, MemoryBudget};
use glm4v::preprocess::ReadOptions;
use glm4v::{ComputeType, EncodeOptions, Plan, Processor};
use serde_json::{Value, json};

use crate::args::{DeviceArgs, InputArgs, ModelArgs};
use crate::console::Console;
use crate::devices::Devices;
use crate::listed::Listed;
use crate::model::ModelFiles;
use crate::table::{self, Table};
use crate::values::OnError;
use crate::weights::Weights;
use crate::{listing, reading};

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, mut_arg("inputs", |arg| arg.value_name("INPUT|WxH|WxHxFRAMES").help(INPUTS)))]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    inputs: InputArgs,
    /// What happens with an input that fails
    #[arg(long, value_enum, default_value_t = OnError::Stop)]
    on_error: OnError,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

const INPUTS: &str = "\
The inputs of `encode`: files, folders, archives, URLs, patterns, pipes. Or sizes: 1920x1080 is an image, 1920x1080x16 a \
video with 16 sampled frames";

const EXAMPLES: &str = "\
Nothing is decoded and no weights are read. The plan needs the header of an image, the frame rate and length of a video,
and config.json and the preprocessor files of a model. A named device need not exist on this machine.

An operation is a floating-point operation; a multiplication and an addition are two. Memory is an upper bound for one
`encode` of these inputs, batch by batch: the program needs at most this much, and usually not much less. Outside flex,
the memory pools of the backend are not counted. Each line is the most that its kind needs at any time. These times
differ, so the total is less than the sum. A video from a pipe is saved in the directory that TMPDIR names, which is not
counted. With --max-memory, batches are as small as `encode --max-memory` makes them. A job (`encode -o DIR/`) keeps no
embeddings in memory: it needs less.

Examples:
  glm4v plan cat.jpg walk.mp4 -m zai-org/GLM-4.1V-9B-Thinking
  glm4v plan photos/ -r --on-error skip --preset glm-4.1v-9b
  glm4v plan 1920x1080 --preset glm-4.1v-9b --dtype bf16
  glm4v plan 3840x2160 640x360x64 --preset glm-4.6v --device cuda --dtype f16 --max-memory 6G --json";

/// Reports what `encode` would need for these inputs, without running it.
pub(crate) fn run(args: &PlanArgs, console: &Console) -> Result<()> {
    args.inputs.read.start_threads()?;
    let weights = Weights::find(&args.model, None, ModelFiles::Configs, console)?;
    let config = weights.config()?;
    let processor = Arc::new(args.inputs.read.configure(weights.processor()?)?);
    processor.check(&config)?;
    let devices = Devices::find_or_assume(&args.device)?;
    let inputs = inputs(args, &processor, console)?;
    ensure!(!inputs.is_empty(), "none of the inputs can be read");
    let sizes: Vec<InputSize> = inputs.iter().map(InputSize::from).collect();
    let target = devices.target(args.device.dtype)?;
    let limits = BatchLimits::new(&target);
    let options = EncodeOptions::default();
    let plan = match args.device.max_memory {
        None => Plan::new(&config, &sizes, target, &options, limits),
        allowed @ Some(_) => {
            // The machine that encodes may be another one.
            let budget = MemoryBudget {
                allowed,
                machine: None,
            };
            let plan = Plan::within(&config, &sizes, target, &options, limits, budget);
            plan.map_err(|error| devices.explain(error, console))?
        }
    };
    let planned = Planned {
        footprint: Footprint::new(&config, target.mode),
        parameters: config.num_parameters(),
        dtype: args.device.dtype,
        inputs,
        plan,
        weights,
        devices,
    };
    console.report(&planned.text(), &planned.json())
}

/// All inputs before they are decoded, in order: arguments (files or sizes), then lists.
fn inputs(
    args: &PlanArgs,
    processor: &Arc<Processor>,
    console: &Console,
) -> Result<Vec<InputInfo>> {
    let named = &args.inputs.inputs;
    let is_size = |input: &PathBuf| given_size(input).is_some();
    let others = InputArgs {
        inputs: named
            .iter()
            .filter(|input| !is_size(input))
            .cloned()
            .collect(),
        ..args.inputs.clone()
    };
    let Listed {
        sources,
        counts,
        pipes,
    } = Listed::of(&others, args.on_error, console)?;
    let read = pipes.options(args.inputs.read.options());
    let inputs = Inputs::new(
        sources,
        Arc::clone(processor),
        read.clone(),
        reading::limits(),
    );
    let (mut found, mut counts) = (survey(inputs, args.on_error, console)?, counts.into_iter());
    let mut all = Vec::new();
    for input in named {
        match given_size(input) {
            Some((size, frames)) => all.push(info_of_size(input, size, frames, processor, &read)?),
            None => {
                let count = counts.next().unwrap_or_default();
                all.extend(found.by_ref().take(count).flatten());
            }
        }
    }
    all.extend(found.flatten());
    Ok(all)
}

/// Each input before it is decoded. `None` for an input that failed and is skipped.
fn survey(
    mut inputs: Inputs,
    on_error: OnError,
    console: &Console,
) -> Result<impl Iterator<Item = Option<InputInfo>> + use<>> {
    let known = inputs
        .survey()
        .into_iter()
        .map(|info| match (info, on_error) {
            // `encode` opens it when its turn comes.
            (Ok(info), _) => Ok(Some(InputInfo {
                stays_open: false,
                ..info
            })),
            (Err(error), OnError::Stop) => Err(error.into()),
            (Err(error), OnError::Skip) => {
                console.warning(&format!("skipped: {error}"));
                Ok(None)
            }
        });
    Ok(known.collect::<Result<Vec<_>>>()?.into_iter())
}

/// The (height, width) and the sampled frames that `input` gives in place of a file. A file of this name takes precedence.
fn given_size(input: &Path) -> Option<((usize, usize), Option<usize>)> {
    if input.exists() {
        return None;
    }
    let numbers = input.to_str()?.split(['x', '×']);
    let numbers: Option<Vec<usize>> = numbers.map(|number| number.parse().ok()).collect();
    match numbers?[..] {
        [width, height] => Some(((height, width), None)),
        [width, height, frames] => Some(((height, width), Some(frames))),
        _ => None,
    }
}

/// An input of a given size.
fn info_of_size(
    input: &Path,
    size @ (height, width): (usize, usize),
    frames: Option<usize>,
    processor: &Processor,
    read: &ReadOptions,
) -> Result<InputInfo> {
    let name = input.display().to_string();
    let limit = read.decode.limits.max_decoded_pixels;
    ensure!(
        (height as u64).saturating_mul(width as u64) <= limit,
        "{name}: {width}×{height} exceeds the limit of {limit} pixels"
    );
    let (kind, grid) = match frames {
        None => (PatchKind::Image, processor.grid(height, width)),
        Some(frames) => (
            PatchKind::Video,
            processor.video_grid(frames, height, width),
        ),
    };
    let grid = grid.with_context(|| name.clone())?;
    Ok(InputInfo {
        index: 0,
        name,
        size,
        frames: None,
        grid,
        kind,
        tokens: grid.num_tokens(processor.config().merge_size),
        open_bytes: 0,
        decode_bytes: processor.decode_bytes(size, grid, frames),
        stays_open: false,
        warnings: Vec::new(),
    })
}

struct Planned<'a> {
    inputs: Vec<InputInfo>,
    footprint: Footprint<'a>,
    plan: Plan,
    parameters: u64,
    weights: Weights,
    devices: Devices,
    dtype: ComputeType,
}

impl Planned<'_> {
    fn text(&self) -> String {
        let plan = &self.plan;
        let at_most = |bytes| format!("at most {}", table::bytes(bytes));
        let parameters = table::millions(self.parameters);
        let model = format!("{}, {parameters} parameters", self.weights);
        let at_once = format!(", for {} patches at once", plan.patches_at_once);
        let mut pairs = vec![
            ("model", model),
            ("computed", format!("in {} on {}", self.dtype, self.devices)),
            ("weights", table::bytes(plan.weights)),
            ("patch rows", at_most(plan.patch_rows)),
            ("reading", at_most(plan.reading)),
            ("activations", at_most(plan.activations) + &at_once),
            ("embeddings", table::bytes(plan.embeddings)),
        ];
        if let Some(bytes) = plan.device {
            let each = match self.devices.count() {
                1 => String::new(),
                count => format!(" on each of {count} devices"),
            };
            pairs.push(("device memory", at_most(bytes) + &each));
        }
        pairs.push(("memory", at_most(plan.host) + " for the whole process"));
        format!("{}\n{}", self.table(), table::pairs(&pairs))
    }

    fn table(&self) -> String {
        let Plan {
            patches, tokens, ..
        } = self.plan;
        let mut table = Table::default();
        table.row(&[
            &"input",
            &"width×height",
            &"grid t×h×w",
            &"patches",
            &"tokens",
            &"operations",
        ]);
        for input in &self.inputs {
            let (name, (height, width)) = (&input.name, input.size);
            let (grid, tokens, patches) = (input.grid, input.tokens, input.grid.num_patches());
            let operations = table::operations(self.footprint.operations(grid));
            let size = format!("{width}×{height}");
            table.row(&[name, &size, &grid, &patches, &tokens, &operations]);
        }
        if self.inputs.len() > 1 {
            let operations = table::operations(self.plan.operations);
            table.row(&[&"total", &"", &"", &patches, &tokens, &operations]);
        }
        table.to_string()
    }

    fn json(&self) -> Value {
        let plan = &self.plan;
        let input = |input: &InputInfo| {
            let mut json = listing::input_json(input);
            json["patches"] = json!(input.grid.num_patches());
            json["operations"] = json!(self.footprint.operations(input.grid));
            json
        };
        json!({
            "inputs": self.inputs.iter().map(input).collect::<Value>(),
            "patches": plan.patches,
            "tokens": plan.tokens,
            "operations": plan.operations,
            "model": self.weights.json(),
            "parameters": self.parameters,
            "dtype": self.dtype.to_string(),
            "device": self.devices.json(),
            "patches_at_once": plan.patches_at_once,
            "bytes": {
                "weights": plan.weights,
                "patch_rows": plan.patch_rows,
                "reading": plan.reading,
                "activations": plan.activations,
                "embeddings": plan.embeddings,
                "device": plan.device,
                "total": plan.host,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_crosses_between_them() {
        let size = |text: &str| {
            let ((height, width), frames) = given_size(Path::new(text))?;
            Some((width, height, frames))
        };
        assert_eq!(size("1920x1080"), Some((1920, 1080, None)));
        assert_eq!(size("640×360x16"), Some((640, 360, Some(16))));
        for text in ["cat.jpg", "1920", "1x2x3x4", "ax2", "x2", "-1x2", "src"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
