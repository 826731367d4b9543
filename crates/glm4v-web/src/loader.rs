use std::collections::VecDeque;

use glm4v::{
    ImageProcessorConfig, Processor, StoredDtype, Stream, VideoProcessorConfig, VisionConfig,
};
use glm4v_shards::{Chunk, Header, Index, Limits, Place, Plan, Shard, tower};
use js_sys::Array;
use wasm_bindgen::prelude::*;

use crate::{Device, Encoder, failures, js};

/// How weights are asked for: as much as a network answers in a moment, and across gaps that cost less than a question.
const LIMITS: Limits = Limits {
    chunk_bytes: 8 << 20,
    gap_bytes: 64 << 10,
};

/// The weights of a tower, as their bytes arrive.
#[wasm_bindgen]
pub struct Loader {
    device: Device,
    config: VisionConfig,
    processor: Processor,
    stream: Stream,
    files: Vec<Shard>,
    /// For each file, the tower's tensors in it that have not arrived whole, in the order of the file.
    expected: Vec<VecDeque<Expected>>,
}

struct Expected {
    key: String,
    dtype: StoredDtype,
    /// The first byte in the file that has not come.
    next: u64,
    end: u64,
}

#[wasm_bindgen]
impl Loader {
    /// Reads the texts of `config.json`, `preprocessor_config.json` and, for clips, `video_preprocessor_config.json`.
    ///
    /// # Errors
    /// For a configuration that is refused, and a type that the device does not compute in.
    #[wasm_bindgen(constructor)]
    pub fn new(
        device: &Device,
        dtype: &str,
        config: &str,
        preprocessor: &str,
        video_preprocessor: Option<String>,
    ) -> Result<Loader, JsError> {
        let named = |file: &str| {
            let file = file.to_owned();
            move |error: glm4v::ConfigError| JsError::new(&format!("{file}: {error}"))
        };
        let config = VisionConfig::from_json(config).map_err(named("config.json"))?;
        let image = ImageProcessorConfig::from_json(preprocessor)
            .map_err(named("preprocessor_config.json"))?;
        let processor = match video_preprocessor {
            Some(text) => {
                let video = VideoProcessorConfig::from_json(&text)
                    .map_err(named("video_preprocessor_config.json"))?;
                Processor::new(image, video)?
            }
            None => Processor::of_pictures(image)?,
        };
        processor.check(&config)?;
        let stream = Stream::new(&config, &device.device, device.arithmetic(dtype)?)?;
        Ok(Self {
            device: device.clone(),
            stream: match device.max_tensor_bytes() {
                Some(bytes) => stream.with_max_part_bytes(bytes),
                None => stream,
            },
            config,
            processor,
            files: Vec::new(),
            expected: Vec::new(),
        })
    }

    /// The files that hold the tower, by the text of `model.safetensors.index.json`, called `name` in messages.
    ///
    /// # Errors
    /// For a text that is no index, or of a model without a vision tower.
    pub fn index(&self, text: &str, name: &str) -> Result<Vec<String>, JsError> {
        let index = Index::parse(text, name)?;
        let shards = index.shards(name)?.into_keys();
        Ok(shards.map(str::to_owned).collect())
    }

    /// Bytes before the first tensor of a file of `file_length` bytes, from its first eight.
    ///
    /// # Errors
    /// For a file that is no safetensors file.
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

    /// Adds a file of `file_length` bytes, by its bytes before the first tensor.
    ///
    /// # Errors
    /// For a header that is damaged, or of another length than the file has.
    pub fn header(&mut self, name: &str, head: &[u8], file_length: f64) -> Result<(), JsError> {
        let header = Header::parse(head, file_length as u64, name)?;
        let file = name.to_owned();
        self.files.push(Shard { file, header });
        Ok(())
    }

    /// What to read of the files, in order: `{ bytes, chunks: [{ file, start, end }] }`, a file being the number of its
    /// [`Loader::header`].
    ///
    /// # Errors
    /// For the first tensor that is missing, has the wrong shape or type, or is left over.
    pub fn plan(&mut self) -> Result<JsValue, JsError> {
        let names: Vec<&str> = self.files.iter().map(|shard| &shard.file[..]).collect();
        let names = names.join(", ");
        let mut places = tower(&self.config, &self.files, &names)?;
        let plan = Plan::new(places.clone(), &self.files, LIMITS);
        places.sort_by_key(|place| place.tensor.start);
        self.expected = self.files.iter().map(|_| VecDeque::new()).collect();
        for Place { key, shard, tensor } in places {
            self.expected[shard].push_back(Expected {
                key,
                dtype: StoredDtype::new(tensor.dtype).expect("a type that was checked"),
                next: tensor.start,
                end: tensor.start + tensor.bytes,
            });
        }
        let length = |chunk: &Chunk| chunk.range.end - chunk.range.start;
        let bytes: u64 = plan.chunks.iter().map(length).sum();
        let chunk = |chunk: &Chunk| {
            JsValue::from(js::object([
                ("file", chunk.shard.into()),
                ("start", (chunk.range.start as f64).into()),
                ("end", (chunk.range.end as f64).into()),
            ]))
        };
        let chunks: Array = plan.chunks.iter().map(chunk).collect();
        let bytes = (bytes as f64).into();
        Ok(js::object([("bytes", bytes), ("chunks", chunks.into())]).into())
    }

    /// Takes bytes of a file, from `position` on. Those of one file must come in order; those between the tower's tensors
    /// may come and are forgotten.
    ///
    /// # Errors
    /// For a file that was not added, and where bytes were left out.
    pub fn write(&mut self, file: usize, position: f64, bytes: &[u8]) -> Result<(), JsError> {
        let count = self.expected.len();
        let expected = self
            .expected
            .get_mut(file)
            .ok_or_else(|| JsError::new(&format!("file {file}: there are {count} in the plan")))?;
        let (mut position, mut bytes) = (position as u64, bytes);
        while let Some(tensor) = expected.front_mut() {
            let between = tensor.next.saturating_sub(position);
            let between = between.min(bytes.len() as u64);
            bytes = &bytes[between as usize..];
            position += between;
            if bytes.is_empty() {
                break;
            }
            if position != tensor.next {
                let (file, key, next) = (&self.files[file].file, &tensor.key, tensor.next);
                return Err(JsError::new(&format!(
                    "{file}: tensor `{key}`: expected the bytes from {next} on, found those from {position} on"
                )));
            }
            let own = (tensor.end - position).min(bytes.len() as u64);
            let (own, rest) = bytes.split_at(own as usize);
            self.stream.write(&tensor.key, tensor.dtype, own)?;
            position += own.len() as u64;
            tensor.next = position;
            bytes = rest;
            if tensor.next == tensor.end {
                expected.pop_front();
            }
        }
        failures::check(())
    }

    /// The encoder, when all has arrived and is on the device.
    ///
    /// # Errors
    /// For the first tensor of which bytes are missing, and where the device failed meanwhile.
    pub async fn finish(self) -> Result<Encoder, JsError> {
        let model = self.stream.finish()?;
        Encoder::new(&self.device, model, self.processor).await
    }
}
