use glm4v::config::VisionConfig;
use glm4v::preprocess::Patches;
use glm4v::{GridThw, VisionEncoder};
use js_sys::{Array, Float32Array, Object};
use wasm_bindgen::prelude::*;

use crate::{failures, js};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// The result of an encoder's call, collected batch by batch.
pub(crate) struct Encoded {
    width: usize,
    merge_size: usize,
    values: Vec<f32>,
    grids: Vec<GridThw>,
    /// When the last batch ended, and the milliseconds before and in the tower.
    last: f64,
    preprocess: f64,
    tower: f64,
}

impl Encoded {
    pub(crate) fn new(config: &VisionConfig) -> Self {
        Self {
            width: config.out_hidden_size,
            merge_size: config.spatial_merge_size,
            values: Vec::new(),
            grids: Vec::new(),
            last: now(),
            preprocess: 0.0,
            tower: 0.0,
        }
    }

    /// Encodes the next batch. The time since the last batch counts as preprocessing.
    ///
    /// # Errors
    /// For a batch that does not fit the device, and if the device failed.
    pub(crate) async fn add(
        &mut self,
        encoder: &VisionEncoder,
        patches: &Patches,
    ) -> Result<(), JsError> {
        let start = now();
        self.preprocess += start - self.last;
        let embeddings = encoder.encode(patches)?;
        self.values.extend(embeddings.into_values_async().await?);
        self.grids.extend(patches.grids());
        self.last = now();
        self.tower += self.last - start;
        failures::check(())
    }

    /// The result as a JavaScript object.
    pub(crate) fn finish(self) -> Object {
        let shape = [self.values.len() / self.width, self.width];
        let times = js::object([
            ("decode", JsValue::from_f64(0.0)),
            ("preprocess", self.preprocess.into()),
            ("tower", self.tower.into()),
        ]);
        js::object([
            ("embeddings", Float32Array::from(&self.values[..]).into()),
            ("shape", js::numbers(shape.map(|size| size as f64))),
            (
                "gridThw",
                self.grids.iter().map(js::grid).collect::<Array>().into(),
            ),
            ("mergeSize", self.merge_size.into()),
            ("times", times.into()),
        ])
    }
}
