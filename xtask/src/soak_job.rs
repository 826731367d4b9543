//! One job of many generated images: its memory stays flat, every good image is encoded, and every bad one is listed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::collection::{Collection, CollectionArgs, Images};
use crate::process::peak_mib;
use crate::shell;

/// Arguments of `soak-job`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The number of images. 100,000 images take 0.8 GB of disk, and their embeddings 3 GB
    #[arg(long, default_value_t = 100_000)]
    images: u32,
    #[command(flatten)]
    collection: CollectionArgs,
    /// Run the job so many times, and check the median of its times. Memory and results are checked in each run
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
}

/// The peak memory of the rest of the job is at most so many times that of the first tenth.
const MAX_GROWTH: f64 = 1.05;
/// The time of the job, divided by the time of decoding and encoding alone, is at most this.
const MAX_TIME: f64 = 1.1;
/// Fewer images take seconds. The start of the program counts too much then, and memory has not settled.
const FEWEST: u32 = 20_000;

/// How often the peak of the memory is read.
const POLL: Duration = Duration::from_millis(20);

/// What was measured.
struct Soak {
    images: u32,
    encoded: u64,
    failed: BTreeSet<String>,
    damaged: BTreeSet<String>,
    seconds: f64,
    /// Seconds of the stages of the job.
    stages: Value,
    /// MiB at most while the first tenth was encoded, and while the rest was.
    peaks: Option<(f64, f64)>,
    decode: f64,
    encode: f64,
}

/// Makes the images, runs the job, and reports. Fails if an image is not where it belongs. With many images it also fails if
/// memory grows or if the median of the times is too long.
pub(crate) fn run(args: &Args) -> Result<()> {
    let collection = args.collection.open()?;
    let mut times = Vec::new();
    for _ in 0..args.repeat {
        let soak = measure(&collection, args.images)?;
        println!("{}", soak.table());
        soak.check()?;
        times.push(soak.slowness());
    }
    check_time(args.images, &mut times)
}

fn measure(collection: &Collection, images: u32) -> Result<Soak> {
    let Images { folder, damaged } = collection.images(images)?;
    let output = collection.work.join("embeddings");
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    let damaged = fs::read_to_string(&damaged)?;
    // One half before the job and one after it: a machine that becomes slower or faster changes both sides.
    let first = alone(collection, &folder, "first")?;
    let mut soak = job(collection, &folder, &output, images)?;
    let second = alone(collection, &folder, "second")?;
    soak.damaged = damaged.lines().map(str::to_owned).collect();
    (soak.decode, soak.encode) = (first.0 + second.0, first.1 + second.1);
    fs::remove_dir_all(&output)?;
    Ok(soak)
}

/// Seconds in which the images of one half are decoded, and encoded.
fn alone(collection: &Collection, folder: &Path, half: &str) -> Result<(f64, f64)> {
    let mut time = collection.program("collection");
    time.arg("time").arg(folder).args(["--half", half]);
    let seconds: Value = serde_json::from_str(&shell::output(&mut time)?)?;
    Ok((number(&seconds["decode"])?, number(&seconds["encode"])?))
}

/// Runs the job, and watches it.
fn job(collection: &Collection, folder: &Path, output: &Path, images: u32) -> Result<Soak> {
    let mut command = collection.program("glm4v");
    // A name that ends in / is a directory.
    command
        .arg("encode")
        .arg(folder)
        .arg("-o")
        .arg(output.join(""));
    command.args(["-r", "-q", "--json", "--preset", "tiny", "--device", "flex"]);
    eprintln!("$ {command:?}");
    // The items go into a file: a reader that kept up with them would take time from the job.
    let items = output.with_extension("jsonl");
    let start = Instant::now();
    let mut child = command.stdout(File::create(&items)?).spawn()?;
    let (mut printed, mut lines) = (File::open(&items)?, 0);
    let (mut first, mut last) = (None, None);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // A process that has ended has no peak.
        last = peak_mib(child.id()).or(last);
        lines += lines_added(&mut printed)?;
        if first.is_none() && lines >= images as usize / 10 {
            first = last.take();
            reset_peak(&child);
        }
        thread::sleep(POLL);
    };
    let seconds = start.elapsed().as_secs_f64();
    ensure!(matches!(status.code(), Some(0 | 3)), "the job: {status}");
    let (mut failed, mut total) = (BTreeSet::new(), Value::Null);
    for line in fs::read_to_string(&items)?.lines() {
        let item: Value = serde_json::from_str(line)?;
        if item["error"].is_string() {
            failed.insert(item["id"].as_str().context("an id")?.to_owned());
        }
        total = item;
    }
    Ok(Soak {
        images,
        encoded: total["total"]["encoded"].as_u64().context("a total")?,
        failed,
        damaged: BTreeSet::new(),
        seconds,
        stages: total["seconds"].clone(),
        peaks: first.zip(last),
        decode: 0.0,
        encode: 0.0,
    })
}

/// The number of lines that were written into a file since the last call.
fn lines_added(file: &mut File) -> Result<usize> {
    let mut added = Vec::new();
    file.read_to_end(&mut added)?;
    Ok(added.iter().filter(|&&byte| byte == b'\n').count())
}

/// Starts the peak of a process again. Without the permission for that, the peak is that of the whole job.
fn reset_peak(child: &Child) {
    fs::write(format!("/proc/{}/clear_refs", child.id()), "5").ok();
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().context("a number")
}

impl Soak {
    fn growth(&self) -> Option<f64> {
        self.peaks.map(|(first, rest)| rest / first)
    }

    fn slowness(&self) -> f64 {
        self.seconds / (self.decode + self.encode)
    }

    fn table(&self) -> String {
        let mut table = String::from("| measured | value |\n|---|---|\n");
        let mut row = |name: &str, value: String| table += &format!("| {name} | {value} |\n");
        row("images", self.images.to_string());
        row("encoded", self.encoded.to_string());
        let (failed, damaged) = (self.failed.len(), self.damaged.len());
        row(
            "failed, of those that are damaged",
            format!("{failed} of {damaged}"),
        );
        if let (Some((first, rest)), Some(growth)) = (self.peaks, self.growth()) {
            row("peak memory of the first tenth", format!("{first:.1} MiB"));
            row(
                "peak memory of the rest",
                format!("{rest:.1} MiB ({growth:.3} times)"),
            );
        }
        row("time of the job", format!("{:.1} s", self.seconds));
        row("stages of the job in seconds", self.stages.to_string());
        let alone = format!("{:.1} s + {:.1} s", self.decode, self.encode);
        row(
            "decoding and encoding alone",
            format!("{alone} (the job takes {:.2} times)", self.slowness()),
        );
        table
    }

    fn check(&self) -> Result<()> {
        let wrong: Vec<_> = self
            .failed
            .symmetric_difference(&self.damaged)
            .take(5)
            .collect();
        ensure!(
            wrong.is_empty(),
            "damaged and not listed, or the other way round: {wrong:?}"
        );
        let good = u64::from(self.images) - self.damaged.len() as u64;
        ensure!(
            self.encoded == good,
            "expected {good} encoded images, found {}",
            self.encoded
        );
        if self.images < FEWEST {
            return Ok(());
        }
        if let Some(growth) = self.growth() {
            ensure!(
                growth <= MAX_GROWTH,
                "memory grew {growth:.3} times, at most {MAX_GROWTH} is accepted"
            );
        }
        Ok(())
    }
}

/// Checks the median of the times of several runs.
fn check_time(images: u32, times: &mut [f64]) -> Result<()> {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    let median = (times[middle] + times[(times.len() - 1) / 2]) / 2.0;
    println!(
        "the job takes {median:.2} times as long as decoding and encoding alone (the median of {times:.2?})"
    );
    ensure!(
        images < FEWEST || median <= MAX_TIME,
        "the job takes {median:.2} times as long, at most {MAX_TIME} is accepted"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soak() -> Soak {
        let names = || ["0000/0000050.png".to_owned()].into();
        Soak {
            images: 100_000,
            encoded: 99_999,
            failed: names(),
            damaged: names(),
            seconds: 105.0,
            stages: Value::Null,
            peaks: Some((100.0, 104.0)),
            decode: 40.0,
            encode: 60.0,
        }
    }

    #[test]
    fn every_promise_is_checked() {
        soak().check().unwrap();
        let fails = |change: fn(&mut Soak)| {
            let mut soak = soak();
            change(&mut soak);
            soak.check().unwrap_err().to_string()
        };
        assert!(fails(|soak| soak.failed.clear()).contains("0000050.png"));
        assert!(fails(|soak| soak.encoded -= 1).contains("expected 99999"));
        assert!(fails(|soak| soak.peaks = Some((100.0, 106.0))).contains("1.060"));
        let few = Soak {
            images: 2000,
            encoded: 1999,
            peaks: Some((100.0, 200.0)),
            ..soak()
        };
        few.check().unwrap();
    }

    #[test]
    fn the_median_of_the_times_is_checked() {
        check_time(FEWEST, &mut [1.3, 1.0, 1.09]).unwrap();
        check_time(FEWEST, &mut [1.3, 0.9]).unwrap();
        check_time(FEWEST - 1, &mut [3.0]).unwrap();
        let error = check_time(FEWEST, &mut [1.0, 1.3, 1.11]).unwrap_err();
        assert!(error.to_string().contains("1.11"), "{error}");
    }
}
