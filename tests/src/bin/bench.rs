//! Our side of `cargo xtask bench`. It reads requests from standard input, one line of JSON each, and answers each with its
//! time. tests/golden/serving.py answers the same requests with transformers. Other verbs make inputs for the bench.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;
use glm4v::config::{ModelType, VisionConfig};
use glm4v::devices::{Backend, DeviceInfo, DeviceSpecs};
use glm4v::image::imageops::FilterType;
use glm4v::image::{RgbImage, imageops};
use glm4v::pipeline::{Batches, InputError, Inputs};
use glm4v::plan::{BatchLimits, InputSize, Target};
use glm4v::preprocess::ReadOptions;
use glm4v::weights::{Encoding, WriteOptions, write_checkpoint};
use glm4v::{
    ComputeType, DeviceSpec, EncodeOptions, LoadOptions, Patches, Plan, Preset, Processor,
    VisionEncoder,
};
use glm4v_tests::{attention, random_case};
use mozjpeg::{ColorSpace, Compress, Marker};
use serde_json::{Value, json};

/// Times the encoder on request.
#[derive(Parser)]
enum Args {
    /// Answer requests from standard input
    Serve {
        /// The checkpoint
        checkpoint: PathBuf,
        /// The devices, as in `glm4v encode --device`
        #[arg(long, default_value = "auto")]
        device: DeviceSpecs,
        /// The attention method: auto, backend or eager
        #[arg(long, default_value = "auto")]
        attention: String,
        /// The data type: f32, f16, bf16 or int8
        #[arg(long, default_value = "f32")]
        dtype: ComputeType,
    },
    /// Encode files, and print the peak of memory beside the plan, in bytes
    Peak {
        /// The preset, whose weights are random
        preset: Preset,
        /// The data type: f32, f16, bf16 or int8
        dtype: ComputeType,
        /// The files
        files: Vec<PathBuf>,
    },
    /// Write an image in another size
    Scale(Made),
    /// Write an image repeated over a larger size, with all its detail: as PNG with transparency, or as JPEG
    Tile {
        #[command(flatten)]
        made: Made,
        /// Write a progressive JPEG
        #[arg(long)]
        progressive: bool,
        /// Write this EXIF orientation into a JPEG
        #[arg(long)]
        orientation: Option<u8>,
    },
    /// Write a random checkpoint in bf16 of a preset's first blocks
    FirstBlocks {
        /// The preset
        preset: Preset,
        /// The number of blocks
        blocks: usize,
        /// The directory to write
        output: PathBuf,
    },
    /// Write a checkpoint of a random configuration and some images of random sizes, and print the files and a type
    RandomCase {
        /// The number of the case. The same number gives the same case
        number: u32,
        /// The directory to write
        output: PathBuf,
    },
}

#[derive(clap::Args)]
struct Made {
    /// The image
    image: PathBuf,
    /// Width in pixels
    width: u32,
    /// Height in pixels
    height: u32,
    /// The file to write
    output: PathBuf,
}

fn main() -> Result<()> {
    match Args::parse() {
        Args::Serve {
            checkpoint,
            device,
            attention: method,
            dtype,
        } => {
            let start = Instant::now();
            let devices = device.find()?;
            let options = LoadOptions {
                device,
                dtype,
                attention: attention(&method)?,
                ..LoadOptions::default()
            };
            let encoder = VisionEncoder::load(checkpoint, &options)?;
            let seconds = start.elapsed().as_secs_f64();
            print(&json!({"seconds": seconds, "device": description(&devices)}))?;
            Side::new(encoder).serve()
        }
        Args::Peak {
            preset,
            dtype,
            files,
        } => peak(preset, dtype, files),
        Args::Scale(made) => {
            let image = glm4v::image::open(made.image)?;
            let scaled = image.resize_exact(made.width, made.height, FilterType::CatmullRom);
            Ok(scaled.save(made.output)?)
        }
        Args::Tile {
            made,
            progressive,
            orientation,
        } => tile(&made, progressive, orientation),
        Args::FirstBlocks {
            preset,
            blocks,
            output,
        } => first_blocks(preset, blocks, &output),
        Args::RandomCase { number, output } => print(&random_case(number, &output)?),
    }
}

fn peak(preset: Preset, dtype: ComputeType, files: Vec<PathBuf>) -> Result<()> {
    let target = Target::of(Backend::Flex, dtype).context("flex does not compute in this type")?;
    let limits = BatchLimits::new(&target);
    let processor = Arc::new(Processor::from_preset(preset));
    let mut inputs = Inputs::new(files, processor, ReadOptions::default(), limits);
    let sizes = inputs.look_ahead().map(|input| input.map(InputSize::from));
    let sizes = sizes.collect::<Result<Vec<_>, _>>().map_err(Clone::clone)?;
    let options = EncodeOptions::default();
    let plan = Plan::new(&preset.vision(), &sizes, target, &options, limits);
    let options = LoadOptions {
        device: DeviceSpec::from(Backend::Flex).into(),
        dtype,
        ..LoadOptions::default()
    };
    let encoder = VisionEncoder::random(preset, 1, &options)?;
    let mut values = Vec::new();
    for item in encoder.encode_inputs(inputs, None) {
        values.push(item?.embeddings.into_values()?);
    }
    let bytes = peak_mib().map(|mib| mib * f64::from(1 << 20));
    print(&json!({"planned": plan.host, "peak": bytes, "items": values.len()}))
}

fn tile(made: &Made, progressive: bool, orientation: Option<u8>) -> Result<()> {
    let image = glm4v::image::open(&made.image)?;
    if made.output.extension().is_some_and(|name| name == "png") {
        let mut tiled = glm4v::image::RgbaImage::new(made.width, made.height);
        imageops::tile(&mut tiled, &image.into_rgba8());
        return Ok(tiled.save(&made.output)?);
    }
    let mut tiled = RgbImage::new(made.width, made.height);
    imageops::tile(&mut tiled, &image.into_rgb8());
    let jpeg = jpeg(&tiled, progressive, orientation)?;
    Ok(std::fs::write(&made.output, jpeg)?)
}

/// A JPEG like those of cameras and Pillow: 4:2:0, quality 90.
fn jpeg(image: &RgbImage, progressive: bool, orientation: Option<u8>) -> Result<Vec<u8>> {
    let mut compress = Compress::new(ColorSpace::JCS_RGB);
    compress.set_fastest_defaults();
    compress.set_size(image.width() as usize, image.height() as usize);
    compress.set_quality(90.0);
    compress.set_chroma_sampling_pixel_sizes((2, 2), (2, 2));
    if progressive {
        compress.set_progressive_mode();
    }
    let mut started = compress.start_compress(Vec::new())?;
    if let Some(orientation) = orientation {
        started.write_marker(Marker::APP(1), &exif(orientation));
    }
    started.write_scanlines(image)?;
    Ok(started.finish()?)
}

/// EXIF data with one field, the orientation: tag 0x112, one 16-bit number.
fn exif(orientation: u8) -> Vec<u8> {
    let mut data = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    data.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    data
}

fn first_blocks(preset: Preset, depth: usize, output: &Path) -> Result<()> {
    let vision = VisionConfig {
        depth,
        ..preset.vision()
    };
    let options = WriteOptions {
        model_type: ModelType::Glm4v,
        vision: &vision,
        image_processor: &preset.image_processor(),
        video_processor: &preset.video_processor(),
        seed: 1,
        encoding: Encoding::Bf16,
    };
    Ok(write_checkpoint(output, &options)?)
}

struct Side {
    encoder: VisionEncoder,
    files: Vec<PathBuf>,
    batches: Vec<Patches>,
}

impl Side {
    fn new(encoder: VisionEncoder) -> Self {
        Self {
            encoder,
            files: Vec::new(),
            batches: Vec::new(),
        }
    }

    fn serve(mut self) -> Result<()> {
        for line in std::io::stdin().lock().lines() {
            let request: Vec<Value> = serde_json::from_str(&line?)?;
            let (verb, values) = request.split_first().context("the request is empty")?;
            let start = Instant::now();
            let mut answer = match (verb.as_str(), values) {
                (Some("input"), [files]) => self.input(files)?,
                (Some("preprocess"), []) => self.preprocess()?,
                (Some("encode"), []) => self.encode()?,
                (Some("peak"), []) => self.peak(),
                (Some("save"), [file]) => self.save(file)?,
                _ => bail!("unknown request {request:?}"),
            };
            answer["seconds"] = json!(start.elapsed().as_secs_f64());
            print(&answer)?;
        }
        Ok(())
    }

    /// Sets the files of the requests that follow, and resets the peaks of memory.
    fn input(&mut self, files: &Value) -> Result<Value> {
        self.files = serde_json::from_value(files.clone())?;
        self.batches.clear();
        reset_peak();
        for device in self.encoder.devices() {
            device.memory_cleanup();
        }
        self.preprocess()
    }

    /// Reads the files in the batches of the pipeline.
    fn preprocess(&mut self) -> Result<Value> {
        self.batches.clear();
        for batch in Batches::new(self.encoder.inputs(self.files.clone())) {
            let inputs: Result<Vec<_>, InputError> = batch.inputs.into_iter().collect();
            inputs?;
            self.batches.push(batch.patches);
        }
        let count: usize = self.batches.iter().map(Patches::num_patches).sum();
        Ok(json!({"patches": count}))
    }

    /// Encodes the batches, and reads the embeddings back.
    fn encode(&mut self) -> Result<Value> {
        let mut count = 0;
        for patches in &self.batches {
            count += self.encoder.encode_values(patches)?.len();
        }
        Ok(json!({"values": count}))
    }

    /// Encodes the batches once more, and writes the embeddings as f32, in little-endian order.
    fn save(&self, file: &Value) -> Result<Value> {
        let file: PathBuf = serde_json::from_value(file.clone())?;
        let mut bytes = Vec::new();
        for patches in &self.batches {
            let values = self.encoder.encode_values(patches)?;
            bytes.extend(values.into_iter().flat_map(f32::to_le_bytes));
        }
        std::fs::write(&file, bytes).with_context(|| file.display().to_string())?;
        Ok(json!({}))
    }

    /// Peaks of the process, and of the GPU that burn used most. burn never gives GPU memory back, so it counts as used.
    fn peak(&self) -> Value {
        let reserved = self.encoder.devices().filter_map(|device| {
            let usage = device.memory_pool_usage()?;
            Some(usage.bytes_reserved as f64 / f64::from(1 << 20))
        });
        json!({"mib": peak_mib(), "gpu_mib": reserved.reduce(f64::max)})
    }
}

fn description(devices: &[DeviceInfo]) -> String {
    let devices = devices
        .iter()
        .map(|device| format!("{} ({})", device.spec, device.name));
    devices.collect::<Vec<_>>().join(", ")
}

fn print(answer: &Value) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{answer}")?;
    Ok(stdout.flush()?)
}

/// Only Linux can reset it. Elsewhere there is no figure.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
