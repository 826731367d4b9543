use std::sync::Arc;

use glm4v::config::VideoProcessorConfig;
use glm4v::image::RgbImage;
use glm4v::model::VisionModel;
use glm4v::pipeline::Inputs;
use glm4v::plan::InputSize;
use glm4v::preprocess::{ImageProcessor, ReadOptions, VideoMetadata, VideoProcessor};
use glm4v::{InputError, Preset, Processor, Tensor, VisionEncoder};
use js_sys::{Array, Function, Object, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::budget::{budget, within};
use crate::encoded::Encoded;
use crate::pixels::{self, PixelsError};
use crate::{Device, failures, js};

/// A tower on its device, and its processor.
#[wasm_bindgen]
pub struct Encoder {
    encoder: VisionEncoder,
}

#[wasm_bindgen]
impl Encoder {
    /// A preset with random parameters of type `dtype`. `glm4v --preset` has the same parameters for the same seed.
    ///
    /// # Errors
    /// For an unknown preset, and for a type that the device does not support.
    pub async fn random(
        device: &Device,
        preset: String,
        seed: u32,
        dtype: String,
    ) -> Result<Encoder, JsError> {
        let preset: Preset = preset.parse()?;
        let options = device.loader_options(&dtype)?;
        let config = preset.vision();
        let model = glm4v::weights::random(&config, seed.into(), &device.device, options)?;
        Self::new(device, model, Processor::from_preset(preset)).await
    }

    /// Encodes images of any sizes. An image is a `Uint8Array`, the bytes of a file in one of [`crate::image_formats`], or
    /// an object like `ImageData`: `{ data, width, height }` with red, green, blue and alpha, which is dropped. `names`
    /// are the names of the images in errors. `limits` are the limits of their sizes.
    ///
    /// # Errors
    /// For the first image that is of another type, damaged or refused. The message names the image.
    #[wasm_bindgen(js_name = encodeImages)]
    pub async fn encode_images(
        &self,
        images: Vec<JsValue>,
        names: Vec<String>,
        limits: JsValue,
    ) -> Result<Object, JsError> {
        let budget = budget(&limits);
        let mut encoded = Encoded::new(self.encoder.config());
        let sources = images.iter().zip(&names).map(|(image, name)| {
            let source = pixels::source(image, name.clone())
                .map_err(|error| JsError::new(&format!("{name}: {error}")))?;
            Ok(match budget {
                None => source,
                Some(budget) => source.within(budget),
            })
        });
        let sources = sources.collect::<Result<Vec<_>, JsError>>()?;
        let options = ReadOptions {
            first_frame_only: true,
            ..ReadOptions::default()
        };
        let processor = Arc::clone(self.encoder.processor());
        let image = within(processor.config(), budget)?;
        let image = ImageProcessor::new(image);
        let mut inputs = Inputs::new(sources, processor, options, self.encoder.limits());
        let canvas = Array::new();
        while let Some(batch) = inputs.next_batch() {
            for input in batch.inputs {
                let input = input.map_err(|error| InputError {
                    name: names[error.index].clone(),
                    ..error
                })?;
                canvas.push(&js::size(image.canvas(input.size.0, input.size.1)?));
            }
            encoded.add(&self.encoder, &batch.patches).await?;
        }
        let encoded = encoded.finish();
        js::set(&encoded, "canvas", canvas);
        Ok(encoded)
    }

    /// Encodes a video of `count` frames at `fps` frames a second. `frame` is called with the index of each sampled frame.
    /// It returns the frame's pixels: red, green, blue and alpha, which is dropped. `limits` are the limits of the size of all
    /// sampled frames together.
    ///
    /// # Errors
    /// For a video that is refused.
    #[wasm_bindgen(js_name = encodeFrames)]
    pub async fn encode_frames(
        &self,
        count: usize,
        fps: f64,
        width: u32,
        height: u32,
        frame: Function,
        limits: JsValue,
    ) -> Result<Object, JsError> {
        let mut encoded = Encoded::new(self.encoder.config());
        let read = |index: usize| -> Result<RgbImage, PixelsError> {
            let rgba = frame.call1(&JsValue::NULL, &index.into());
            let rgba = rgba.map_err(PixelsError::Thrown)?;
            pixels::rgb(Uint8Array::new(&rgba).to_vec(), width, height)
        };
        let metadata = VideoMetadata::new(count, fps);
        let config = self.encoder.processor().video()?.config();
        let processor = VideoProcessor::new(VideoProcessorConfig {
            frames: within(&config.frames, budget(&limits))?,
            ..config.clone()
        });
        let (patches, frames) = processor.preprocess_from(read, &metadata)?;
        encoded.add(&self.encoder, &patches).await?;
        let encoded = encoded.finish();
        let indices = frames.indices.iter().map(|&index| index as f64);
        js::set(&encoded, "framesIndices", js::numbers(indices));
        js::set(&encoded, "timestamps", js::numbers(frames.timestamps));
        Ok(encoded)
    }

    /// The size and the cost of an image of `width` × `height` pixels, before it exists. `limits` are those of its size.
    ///
    /// # Errors
    /// For a size that is refused, and for one that does not fit the device.
    pub fn plan(&self, width: usize, height: usize, limits: &JsValue) -> Result<Object, JsError> {
        let config = self.encoder.config();
        let image = within(self.encoder.processor().config(), budget(limits))?;
        let image = ImageProcessor::new(image);
        let grid = image.grid(height, width)?;
        let plan = self.encoder.plan(&[InputSize::image(grid)])?;
        let resized = (grid.h * config.patch_size, grid.w * config.patch_size);
        Ok(js::object([
            ("gridThw", js::grid(&grid)),
            ("patches", plan.patches.into()),
            ("tokens", plan.tokens.into()),
            ("resized", js::size(resized)),
            ("canvas", js::size(image.canvas(height, width)?)),
            ("flops", (plan.operations as f64).into()),
            ("weightBytes", (plan.weights as f64).into()),
            ("activationBytes", (plan.activations as f64).into()),
        ]))
    }

    /// The tower's configuration, as in `config.json`.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn config(&self) -> String {
        serde_json::to_string(self.encoder.config()).expect("a configuration is JSON")
    }
}

impl Encoder {
    /// Waits until the parameters are on the device.
    pub(crate) async fn new(
        device: &Device,
        model: VisionModel,
        processor: Processor,
    ) -> Result<Self, JsError> {
        let encoder = VisionEncoder::new(model, processor)?;
        let encoder = match device.max_tensor_bytes() {
            Some(bytes) => encoder.with_max_buffer(bytes),
            None => encoder,
        };
        // A device works in order: when it answers this, it has received the parameters.
        let last = Tensor::<1>::zeros([1], &device.device);
        last.into_data_async().await?;
        failures::check(Self { encoder })
    }
}
