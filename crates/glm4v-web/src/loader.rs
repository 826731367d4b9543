use glm4v::Processor;
use glm4v::config::{ProcessorFiles, VisionConfig};
use glm4v::weights::Loader as WeightsLoader;
use glm4v_shards::{Arrivals, Chunk, Header, Index, Limits, Plan, Shard, tower};
use js_sys::Array;
use wasm_bindgen::prelude::*;

use crate::{Device, Encoder, failures, js};

/// A request reads at most 8 MiB. It also reads gaps of up to 64 KiB, because another request would take longer.
const LIMITS: Limits = Limits {
    chunk_bytes: 8 << 20,
    gap_bytes: 64 << 10,
};

/// Loads a tower from the bytes of its files, as they arrive.
#[wasm_bindgen]
pub struct Loader {
    device: Device,
    config: VisionConfig,
    processor: Processor,
    weights: WeightsLoader,
    files: Vec<Shard>,
    /// The tensors that have not arrived.
    arrivals: Arrivals,
}

#[wasm_bindgen]
impl Loader {
    /// Parses the texts of `config.json` and of the files of the processors that the checkpoint has:
    /// `processor_config.json`, `preprocessor_config.json` and `video_preprocessor_config.json`.
    ///
    /// # Errors
    /// For a configuration that is refused, and for a type that the device does not support.
    #[wasm_bindgen(constructor)]
    pub fn new(
        device: &Device,
        dtype: &str,
        config: &str,
        processor: Option<String>,
        preprocessor: Option<String>,
        video_preprocessor: Option<String>,
    ) -> Result<Loader, JsError> {
        let mut files = ProcessorFiles::default().of_model(config);
        let config = VisionConfig::from_json(config)
            .map_err(|error| JsError::new(&format!("config.json: {error}")))?;
        for (name, text) in [
            (ProcessorFiles::NESTED, processor),
            (ProcessorFiles::IMAGE, preprocessor),
            (ProcessorFiles::VIDEO, video_preprocessor),
        ] {
            files = match text {
                Some(text) => files.with(name, text),
                None => files,
            };
        }
        let processor = Processor::from_files(files)?;
        processor.check(&config)?;
        let options = device.loader_options(dtype)?;
        Ok(Self {
            device: device.clone(),
            weights: WeightsLoader::new(&config, &device.device, options)?,
            config,
            processor,
            files: Vec::new(),
            arrivals: Arrivals::new(Vec::new(), &[]),
        })
    }

    /// The files that contain the tower, from the text of `model.safetensors.index.json`, called `name` in errors.
    ///
    /// # Errors
    /// For a text that is not an index, and for the index of a model without a vision tower.
    pub fn shards(&self, text: &str, name: &str) -> Result<Vec<String>, JsError> {
        let index = Index::parse(text, name)?;
        let shards = index.shards(name)?.into_keys();
        Ok(shards.map(str::to_owned).collect())
    }

    /// The number of bytes before the first tensor of a file, from its first eight bytes and its length.
    ///
    /// # Errors
    /// For a file that is not a safetensors file.
    #[wasm_bindgen(js_name = headerLength)]
    pub fn header_length(first: &[u8], file_length: f64, name: &str) -> Result<f64, JsError> {
        let found = first.len();
        let first = first.first_chunk().ok_or_else(|| {
            let expected = Header::LENGTH_BYTES;
            JsError::new(&format!(
                "{name}: expected at least {expected} bytes, found {found}"
            ))
        })?;
        Ok(Header::data_start(*first, file_length as u64, name)? as f64)
    }

    /// Adds a file of `file_length` bytes. `header` is the bytes before its first tensor.
    ///
    /// # Errors
    /// For a damaged header, and for a header that does not match the length of the file.
    #[wasm_bindgen(js_name = addFile)]
    pub fn add_file(&mut self, name: &str, header: &[u8], file_length: f64) -> Result<(), JsError> {
        let header = Header::parse(header, file_length as u64, name)?;
        let file = name.to_owned();
        self.files.push(Shard { file, header });
        Ok(())
    }

    /// The ranges to read, in order: `[{ file, start, end }]`. `file` counts the calls of [`Loader::add_file`] from 0.
    ///
    /// # Errors
    /// For the first tensor that is missing, has the wrong shape or type, or is left over.
    pub fn chunks(&mut self) -> Result<Array, JsError> {
        let names: Vec<&str> = self.files.iter().map(|shard| &shard.file[..]).collect();
        let names = names.join(", ");
        let places = tower(&self.config, &self.files, &names)?;
        let plan = Plan::new(places.clone(), &self.files, LIMITS);
        self.arrivals = Arrivals::new(places, &self.files);
        let chunk = |chunk: &Chunk| {
            JsValue::from(js::object([
                ("file", chunk.shard.into()),
                ("start", (chunk.range.start as f64).into()),
                ("end", (chunk.range.end as f64).into()),
            ]))
        };
        Ok(plan.chunks.iter().map(chunk).collect())
    }

    /// Loads bytes of a file, which start at `position`. The bytes of one file must come in order. Bytes between the
    /// tower's tensors are dropped.
    ///
    /// # Errors
    /// For a file that was not added, and if bytes are missing before `position`.
    pub fn write(&mut self, file: usize, position: f64, bytes: &[u8]) -> Result<(), JsError> {
        let weights = &mut self.weights;
        self.arrivals
            .write(file, position as u64, bytes, |key, encoding, values| {
                weights.write(key, encoding, values).map_err(JsError::from)
            })?;
        failures::check(())
    }

    /// The encoder, when all tensors have arrived and are on the device.
    ///
    /// # Errors
    /// For the first tensor that is incomplete, and if the device failed.
    pub async fn finish(self) -> Result<Encoder, JsError> {
        let model = self.weights.finish()?;
        Encoder::new(&self.device, model, self.processor).await
    }
}
