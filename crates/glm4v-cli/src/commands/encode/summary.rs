use serde_json::{Value, json};

use crate::console::Report;
use crate::devices::Devices;
use crate::inputs::{self, About};
use crate::layout;
use crate::stages::Stages;
use crate::values::{Dtype, OutputFile};
use crate::weights::Weights;

/// What was done, and how long it took.
pub(super) struct Summary<'a> {
    pub(super) inputs: &'a [About],
    pub(super) weights: &'a Weights,
    pub(super) devices: &'a Devices,
    pub(super) dtype: Dtype,
    /// Tokens, and the width of each.
    pub(super) shape: (usize, usize),
    pub(super) non_finite: usize,
    pub(super) stages: &'a Stages,
    pub(super) output: Option<&'a OutputFile>,
}

impl Summary<'_> {
    pub(super) fn report(&self) -> Report {
        Report {
            text: self.text(),
            json: self.json(),
        }
    }

    fn text(&self) -> String {
        let (tokens, width) = self.shape;
        let inputs = inputs::count(self.inputs);
        let tokens_said = layout::count(tokens, "token");
        let computed = format!("in {} on {}", self.dtype, self.devices.said());
        let written = match self.output {
            Some(file) => file.path.display().to_string(),
            None => "nothing; keep the embeddings with -o FILE".to_owned(),
        };
        let about = layout::pairs(&[
            ("total", format!("{inputs}, {tokens_said}")),
            ("embeddings", format!("[{tokens}, {width}] f32")),
            ("weights", self.weights.to_string()),
            ("computed", computed),
            ("time", self.stages.to_string()),
            ("written", written),
        ]);
        format!("{}\n{about}", inputs::table(self.inputs))
    }

    fn json(&self) -> Value {
        let (tokens, width) = self.shape;
        json!({
            "inputs": inputs::json(self.inputs),
            "tokens": tokens,
            "shape": [tokens, width],
            "weights": self.weights.json(),
            "dtype": self.dtype.to_string(),
            "device": self.devices.json(),
            "non_finite": self.non_finite,
            "seconds": self.stages.json(),
            "output": self.output.map(|file| file.path.to_string_lossy()),
        })
    }
}
