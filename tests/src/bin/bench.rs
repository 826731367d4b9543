//! Our side of `cargo xtask bench`: what is asked for on standard input, one line of JSON each, is done and timed.
//! tests/golden/serving.py answers the same with transformers.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;
use glm4v::image::imageops::FilterType;
use glm4v::image::{RgbImage, imageops};
use glm4v::{
    Batch, DeviceInfo, DeviceSpecs, FloatDType, MediaOptions, ParallelEncoder, Patches,
    VisionEncoder,
};
use glm4v_tests::attention;
use mozjpeg::{ColorSpace, Compress};
use serde_json::{Value, json};

/// Times the encoder on request.
#[derive(Parser)]
enum Args {
    /// Answer what is asked for on standard input
    Serve {
        /// The checkpoint
        checkpoint: PathBuf,
        /// Where to run, as in `glm4v encode --device`
        #[arg(long, default_value = "auto")]
        device: DeviceSpecs,
        /// How a GPU attends: auto, backend or plain
        #[arg(long, default_value = "auto")]
        attention: String,
        /// Type of the parameters: f32, f16 or bf16
        #[arg(long, default_value = "f32")]
        dtype: String,
    },
    /// Write a picture in another size
    Scale(Made),
    /// Write a JPEG of a picture repeated over a larger size, with all its detail
    Tile(Made),
}

#[derive(clap::Args)]
struct Made {
    /// The picture
    picture: PathBuf,
    /// Pixels
    width: u32,
    /// Pixels
    height: u32,
    /// Where to write it
    output: PathBuf,
}

fn main() -> Result<()> {
    match Args::parse() {
        Args::Serve {
            checkpoint,
            device,
            attention,
            dtype,
        } => {
            let start = Instant::now();
            let devices = device.find()?;
            let side = Side::load(&checkpoint, &devices, &attention, &dtype)?;
            let seconds = start.elapsed().as_secs_f64();
            say(&json!({"seconds": seconds, "device": description(&devices)}))?;
            side.serve()
        }
        Args::Scale(made) => {
            let picture = glm4v::image::open(made.picture)?;
            let scaled = picture.resize_exact(made.width, made.height, FilterType::CatmullRom);
            Ok(scaled.save(made.output)?)
        }
        Args::Tile(made) => {
            let picture = glm4v::image::open(made.picture)?.into_rgb8();
            let mut tiled = RgbImage::new(made.width, made.height);
            imageops::tile(&mut tiled, &picture);
            Ok(std::fs::write(made.output, jpeg(&tiled)?)?)
        }
    }
}

/// As cameras and Pillow write it: baseline, 4:2:0, quality 90.
fn jpeg(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut compress = Compress::new(ColorSpace::JCS_RGB);
    compress.set_fastest_defaults();
    compress.set_size(picture.width() as usize, picture.height() as usize);
    compress.set_quality(90.0);
    compress.set_chroma_sampling_pixel_sizes((2, 2), (2, 2));
    let mut started = compress.start_compress(Vec::new())?;
    started.write_scanlines(picture)?;
    Ok(started.finish()?)
}

struct Side {
    encoder: ParallelEncoder,
    files: Vec<PathBuf>,
    patches: Option<Patches>,
}

impl Side {
    fn load(
        checkpoint: &PathBuf,
        devices: &[DeviceInfo],
        method: &str,
        dtype: &str,
    ) -> Result<Self> {
        let dtype = match dtype {
            "f32" => FloatDType::F32,
            "f16" => FloatDType::F16,
            "bf16" => FloatDType::BF16,
            other => bail!("{other} is no type"),
        };
        let method = attention(method)?;
        let load = |device: &DeviceInfo| {
            let device = device.spec.open()?;
            let (encoder, _) = VisionEncoder::from_dir_with(checkpoint, &device, dtype)?;
            Ok(match method {
                Some(method) => encoder.with_attention(method),
                None => encoder,
            })
        };
        let encoders = devices.iter().map(load).collect::<Result<_>>()?;
        Ok(Self {
            encoder: ParallelEncoder::new(encoders)?,
            files: Vec::new(),
            patches: None,
        })
    }

    fn serve(mut self) -> Result<()> {
        for line in std::io::stdin().lock().lines() {
            let asked: Vec<Value> = serde_json::from_str(&line?)?;
            let (verb, values) = asked.split_first().context("nothing is asked for")?;
            let start = Instant::now();
            let mut answer = match (verb.as_str(), values) {
                (Some("input"), [files]) => self.input(files)?,
                (Some("preprocess"), []) => self.preprocess()?,
                (Some("encode"), []) => self.encode()?,
                (Some("peak"), []) => self.peak(),
                _ => bail!("{asked:?} is not understood"),
            };
            answer["seconds"] = json!(start.elapsed().as_secs_f64());
            say(&answer)?;
        }
        Ok(())
    }

    /// From here on, these pictures and videos; the peaks of memory are counted anew.
    fn input(&mut self, files: &Value) -> Result<Value> {
        self.files = serde_json::from_value(files.clone())?;
        self.patches = None;
        forget_peak();
        for encoder in self.encoder.encoders() {
            encoder.model().device().memory_cleanup();
        }
        self.preprocess()
    }

    /// From files to patch rows.
    fn preprocess(&mut self) -> Result<Value> {
        let processor = self.encoder.encoders()[0].processor();
        let Batch { patches, .. } = processor.read_all(&self.files, &MediaOptions::default())?;
        let count = patches.num_patches();
        self.patches = Some(patches);
        Ok(json!({"patches": count}))
    }

    /// From patch rows to embeddings on the host.
    fn encode(&mut self) -> Result<Value> {
        let patches = self.patches.as_ref().context("no input")?;
        let values = self.encoder.encode_values(patches)?;
        Ok(json!({"values": values.len()}))
    }

    /// Of the process, and what burn took of the GPU that took most, its free pages included: it gives none back.
    fn peak(&self) -> Value {
        let reserved = self.encoder.encoders().iter().filter_map(|encoder| {
            let usage = encoder.model().device().memory_pool_usage()?;
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

fn say(answer: &Value) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{answer}")?;
    Ok(stdout.flush()?)
}

/// Linux alone counts it anew on request; elsewhere there is no figure.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
