use std::path::Path;

use anyhow::{Context, Result, ensure};
use glm4v::{InputInfo, OpenOptions, Plan, Processor};
use serde_json::{Value, json};

use crate::args::PlanArgs;
use crate::console::{Console, Report};
use crate::devices::Devices;
use crate::forecast::{Forecast, Kept, Work};
use crate::inputs::{self, About};
use crate::layout;
use crate::room::Room;
use crate::weights::Weights;

/// What `encode` would take for these inputs, without running it.
pub(crate) fn run(args: &PlanArgs, console: &Console) -> Result<()> {
    let weights = Weights::configs(&args.model, console)?;
    let config = weights.config()?;
    let processor = inputs::with_sampling(weights.processor()?, &args.reading)?;
    processor.check(&config)?;
    let devices = Devices::named(&args.device)?;
    let options = inputs::media_options(&args.reading);
    let inputs = args
        .inputs
        .iter()
        .map(|input| match size(input) {
            Some(size) => About::of_size(input, size, &processor),
            None => About::probe(input, &processor, &options),
        })
        .collect::<Result<Vec<_>>>()?;
    let target = devices.target(&args.device);
    let work = Work {
        config: &config,
        target,
        kept: Kept::default(),
    };
    let sizes = work.sizes(&inputs);
    let forecast = match args.device.max_memory {
        None => Forecast::usual(work, &sizes),
        Some(_) => {
            let room = Room {
                allowed: args.device.max_memory,
                machine: None,
            };
            Forecast::within(work, &sizes, room, devices.tightest())?
        }
    };
    let grids: Vec<_> = inputs.iter().map(|about| about.grid).collect();
    let planned = Planned {
        plan: Plan::with_cut(&config, &grids, target, forecast.cut),
        parameters: config.num_parameters(),
        inputs,
        forecast,
        weights,
        devices,
        dtype: args.device.dtype.to_string(),
    };
    console.report(&Report {
        text: planned.text(),
        json: planned.json(),
    })
}

/// Width, height and, of a clip, frames.
type GivenSize = (usize, usize, Option<usize>);

/// The size that `input` is, unless there is a file of that name.
fn size(input: &Path) -> Option<GivenSize> {
    if input.exists() {
        return None;
    }
    let numbers = input.to_str()?.split(['x', '×']);
    let numbers: Option<Vec<usize>> = numbers.map(|number| number.parse().ok()).collect();
    match numbers?[..] {
        [width, height] => Some((width, height, None)),
        [width, height, frames] => Some((width, height, Some(frames))),
        _ => None,
    }
}

struct Planned {
    inputs: Vec<About>,
    plan: Plan,
    parameters: u64,
    forecast: Forecast,
    weights: Weights,
    devices: Devices,
    dtype: String,
}

impl Planned {
    fn text(&self) -> String {
        let (plan, most) = (&self.plan, &self.forecast.most);
        let at_most = |bytes| format!("{} at most", layout::bytes(bytes));
        let mut rows = vec![
            [
                "input",
                "width×height",
                "grid t×h×w",
                "patches",
                "tokens",
                "operations",
            ]
            .map(str::to_owned),
        ];
        for (about, item) in self.inputs.iter().zip(&plan.items) {
            let (height, width) = about.size;
            rows.push([
                about.path.display().to_string(),
                format!("{width}×{height}"),
                item.grid.to_string(),
                item.patches.to_string(),
                item.tokens.to_string(),
                layout::operations(item.operations),
            ]);
        }
        if self.inputs.len() > 1 {
            rows.push([
                "total".to_owned(),
                String::new(),
                String::new(),
                plan.num_patches().to_string(),
                plan.num_tokens().to_string(),
                layout::operations(plan.operations()),
            ]);
        }
        let mut pairs = vec![
            (
                "model",
                format!(
                    "{}, {} parameters",
                    self.weights,
                    layout::millions(self.parameters)
                ),
            ),
            (
                "computed",
                format!("in {} on {}", self.dtype, self.devices.said()),
            ),
            ("weights", layout::bytes(most.weights)),
            ("patch rows", at_most(most.patch_rows)),
            ("reading", at_most(most.reading)),
            (
                "activations",
                format!(
                    "{}, {} patches at once",
                    at_most(most.activations),
                    most.patches_at_once
                ),
            ),
            ("embeddings", layout::bytes(most.embeddings)),
        ];
        let of_each = match self.devices.count() {
            1 => String::new(),
            count => format!(", of each of {count}"),
        };
        pairs.extend(
            self.forecast
                .device
                .map(|bytes| ("device memory", at_most(bytes) + &of_each)),
        );
        pairs.push((
            "memory",
            format!("{}, with the program", at_most(self.forecast.host)),
        ));
        format!("{}\n{}", layout::table(&rows), layout::pairs(&pairs))
    }

    fn json(&self) -> Value {
        let (plan, most) = (&self.plan, &self.forecast.most);
        let inputs = self.inputs.iter().zip(&plan.items);
        let inputs = inputs.map(|(about, item)| {
            let mut json = about.json();
            json["patches"] = json!(item.patches);
            json["operations"] = json!(item.operations);
            json
        });
        json!({
            "inputs": inputs.collect::<Value>(),
            "patches": plan.num_patches(),
            "tokens": plan.num_tokens(),
            "operations": plan.operations(),
            "model": self.weights.json(),
            "parameters": self.parameters,
            "dtype": self.dtype,
            "device": self.devices.json(),
            "patches_at_once": most.patches_at_once,
            "bytes": {
                "weights": most.weights,
                "patch_rows": most.patch_rows,
                "reading": most.reading,
                "activations": most.activations,
                "embeddings": most.embeddings,
                "device": self.forecast.device,
                "total": self.forecast.host,
            },
        })
    }
}

impl About {
    /// An input of which the size is all that there is.
    fn of_size(
        input: &Path,
        (width, height, frames): GivenSize,
        processor: &Processor,
    ) -> Result<Self> {
        let limit = OpenOptions::default().max_pixels;
        ensure!(
            (height as u64).saturating_mul(width as u64) <= limit,
            "{}: expected at most {limit} pixels, found {width}×{height}",
            input.display()
        );
        let grid = match frames {
            None => processor.grid(height, width),
            Some(frames) => processor
                .video()
                .and_then(|video| Ok(video.grid(frames, height, width)?)),
        };
        let grid = grid.with_context(|| input.display().to_string())?;
        let info = InputInfo {
            held: processor.held((height, width), grid, frames),
            grid,
            height,
            width,
            frames: None,
            warnings: Vec::new(),
        };
        let mut about = Self::new(input.to_owned(), info, processor);
        about.is_still = frames.is_none();
        Ok(about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_between_crosses() {
        let size = |text: &str| size(Path::new(text));
        assert_eq!(size("1920x1080"), Some((1920, 1080, None)));
        assert_eq!(size("640×360x16"), Some((640, 360, Some(16))));
        for text in ["cat.jpg", "1920", "1x2x3x4", "ax2", "x2", "-1x2", "src"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
