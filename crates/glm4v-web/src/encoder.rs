use glm4v::{ClipInfo, Patches, Preset, Processor, VisionEncoder, VisionModel};
use js_sys::{Float32Array, Function, Object, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::pixels::{self, PixelsError};
use crate::{Device, failures, js};

/// A tower on its device, and the processor that feeds it.
#[wasm_bindgen]
pub struct Encoder {
    encoder: VisionEncoder,
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

#[wasm_bindgen]
impl Encoder {
    /// A preset with random parameters of type `dtype`, the same as `glm4v --preset` makes of the same seed.
    ///
    /// # Errors
    /// For a preset that is not known, and a type that the device does not compute in.
    pub async fn random(
        device: &Device,
        preset: String,
        seed: u32,
        dtype: String,
    ) -> Result<Encoder, JsError> {
        let preset: Preset = preset.parse()?;
        let arithmetic = device.arithmetic(&dtype)?;
        let most = device.max_tensor_bytes().unwrap_or(u64::MAX);
        let model = glm4v::random_model_in_parts(
            &preset.vision(),
            seed.into(),
            &device.device,
            arithmetic,
            most,
        )?;
        Self::new(device, model, Processor::of_preset(preset)?).await
    }

    /// The embeddings of pictures, packed into one batch. A picture is a `Uint8Array`, the bytes of a PNG, JPEG, WebP, GIF,
    /// BMP or TIFF file, or an object like `ImageData`: `{ data, width, height }`, red, green, blue and alpha, which is
    /// forgotten.
    ///
    /// # Errors
    /// For a picture that is none of these, is damaged, or is refused.
    #[wasm_bindgen(js_name = encodeImages)]
    pub async fn encode_images(&self, pictures: Vec<JsValue>) -> Result<Object, JsError> {
        let (start, count) = (now(), pictures.len());
        let pictures = pictures.into_iter().map(pixels::picture).enumerate();
        let numbered = |(index, picture): (usize, Result<_, PixelsError>)| {
            picture.map_err(|error| error.of_picture(index, count))
        };
        let pictures = pictures.map(numbered).collect::<Result<Vec<_>, _>>()?;
        let decoded = now();
        let patches = self.encoder.processor().images(&pictures)?;
        drop(pictures);
        self.encode(&patches, [start, decoded, now()]).await
    }

    /// The embeddings of a clip of `count` frames at `fps` frames a second. `frame` is called with the number of each
    /// frame that is sampled and gives its pixels, red, green, blue and alpha, which is forgotten.
    ///
    /// # Errors
    /// For an encoder that was loaded without `video_preprocessor_config.json`, and a clip that is refused.
    #[wasm_bindgen(js_name = encodeFrames)]
    pub async fn encode_frames(
        &self,
        count: usize,
        fps: f64,
        width: u32,
        height: u32,
        frame: Function,
    ) -> Result<Object, JsError> {
        let start = now();
        let info = ClipInfo::new(count, fps);
        let read = |index: usize| {
            let rgba = frame.call1(&JsValue::NULL, &index.into());
            let rgba = rgba.map_err(PixelsError::Thrown)?;
            pixels::rgb(Uint8Array::new(&rgba).to_vec(), width, height)
        };
        let clip = self.encoder.processor().video()?.clip_of(read, &info);
        let clip = clip.map_err(|error: PixelsError| JsError::from(error))?;
        let done = now();
        let encoded = self.encode(&clip.patches, [start, start, done]).await?;
        js::set(&encoded, "timestamps", js::numbers(clip.timestamps));
        let indices = clip.frames_indices.iter().map(|&index| index as f64);
        js::set(&encoded, "framesIndices", js::numbers(indices));
        Ok(encoded)
    }

    /// What a picture of `width` × `height` pixels becomes, and what encoding it takes, before there is one.
    ///
    /// # Errors
    /// For a size that is refused, and one that the device cannot hold.
    pub fn plan(&self, width: usize, height: usize) -> Result<Object, JsError> {
        let config = self.encoder.config();
        let grid = self.encoder.processor().grid(height, width)?;
        let plan = self.encoder.plan(&[grid])?;
        let resized = [grid.w, grid.h].map(|side| (side * config.patch_size) as f64);
        Ok(js::object([
            ("gridThw", js::grid(&grid)),
            ("patches", grid.num_patches().into()),
            ("tokens", grid.num_tokens(config.spatial_merge_size).into()),
            ("resized", js::numbers(resized)),
            ("flops", (plan.operations() as f64).into()),
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
        let last = encoder.model().post_layernorm.weight.val();
        last.into_data_async().await?;
        failures::check(Self { encoder })
    }

    /// Encodes what was begun, decoded and preprocessed at the times of `clock`.
    async fn encode(&self, patches: &Patches, clock: [f64; 3]) -> Result<Object, JsError> {
        let embeddings = self.encoder.encode(patches)?;
        let shape = embeddings.embeddings.dims();
        let values = embeddings.into_values_async().await?;
        let [start, decoded, preprocessed] = clock;
        let times = js::object([
            ("decode", (decoded - start).into()),
            ("preprocess", (preprocessed - decoded).into()),
            ("tower", (now() - preprocessed).into()),
        ]);
        let grids = patches.grids().iter().map(js::grid);
        let merge = self.encoder.config().spatial_merge_size;
        failures::check(js::object([
            ("embeddings", Float32Array::from(&values[..]).into()),
            ("shape", js::numbers(shape.map(|size| size as f64))),
            ("gridThw", grids.collect::<js_sys::Array>().into()),
            ("mergeSize", merge.into()),
            ("times", times.into()),
        ]))
    }
}
