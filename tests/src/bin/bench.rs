//! Our side of `cargo xtask bench`: what is asked for on standard input, one line of JSON each, is done and timed.
//! tests/golden/serving.py answers the same with transformers.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;
use glm4v::image::imageops::FilterType;
use glm4v::{
    DeviceInfo, DeviceSpecs, FloatDType, MediaOptions, ParallelEncoder, Patches, VisionEncoder,
};
use glm4v_tests::attention;
use rayon::prelude::*;
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
    Scale {
        /// The picture
        picture: PathBuf,
        /// Pixels
        width: u32,
        /// Pixels
        height: u32,
        /// Where to write it
        output: PathBuf,
    },
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
        Args::Scale {
            picture,
            width,
            height,
            output,
        } => {
            let picture = glm4v::image::open(picture)?;
            let scaled = picture.resize_exact(width, height, FilterType::CatmullRom);
            Ok(scaled.save(output)?)
        }
    }
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
                (Some("input"), [path, count]) => self.input(path, count)?,
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

    /// From here on, `count` times the picture or video at `path`; the peaks of memory are counted anew.
    fn input(&mut self, path: &Value, count: &Value) -> Result<Value> {
        let path = path.as_str().context("a path")?;
        let count = count.as_u64().context("a number")?;
        self.files = vec![path.into(); count as usize];
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
        let read = |file| Ok(processor.read(file, &MediaOptions::default())?.patches);
        // On all cores, as the program reads them.
        let parts = self.files.par_iter().map(read);
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let patches = Patches::concat(&parts)?;
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
