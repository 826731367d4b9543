mod images;
mod peers;
mod process;
mod side;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use self::images::Named;
use self::process::whole_process;
use self::side::Side;
use self::table::{Heading, Row, Table, processor};
use crate::chart::{self, Measured};
use crate::release::{self, PRESET, Release, replace_between_marks};
use crate::{python, shell};

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Our device, as in `glm4v encode --device`
    #[arg(long, default_value = "flex")]
    device: String,
    /// The attention method, as in `glm4v encode --attention-method`
    #[arg(long, default_value = "auto")]
    attention: String,
    /// More features to build: cuda-cpp, autotune
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// What to compare with: transformers (SDPA; with torch.compile when we use a GPU), or none
    #[arg(long, default_value = "transformers", value_parser = ["transformers", "none"])]
    reference: String,
    /// The device of transformers: cpu, cuda or cuda:N [default: cpu; cuda when we use a GPU]
    #[arg(long)]
    reference_device: Option<String>,
    /// The model: a preset of `glm4v init`
    #[arg(long, default_value = PRESET)]
    preset: String,
    /// Data types [default: f32,bf16; with --peers also int8; on CUDA bf16, on other GPUs f16]
    #[arg(long, value_delimiter = ',')]
    dtype: Vec<String>,
    /// Sizes of the image, as WIDTHxHEIGHT. 1792x2688 is the largest that a checkpoint accepts: 24,576 patches [default:
    /// 336x336,1008x1008; with --peers 336x336]
    #[arg(long, value_delimiter = ',')]
    size: Vec<String>,
    /// Images in a batch [default: 1,8; of the second and each later size 1, because eight take an hour on two cores]
    #[arg(long, value_delimiter = ',')]
    batch: Vec<usize>,
    /// Timed runs of each side, in turn, after one that is not timed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Threads of each side [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// Leave out the JPEGs and the whole process
    #[arg(long, conflicts_with = "write")]
    tower_only: bool,
    /// Write the table to docs/performance.md, and, on the CPU, draw docs/images/speed.svg
    #[arg(long)]
    write: bool,
    /// Time other programs in turn with ours, on the CPU with one image: OpenVINO, ONNX Runtime, transformers, llama.cpp
    #[arg(long, conflicts_with_all = [
        "device", "attention", "features", "reference", "reference_device", "batch", "tower_only",
    ])]
    peers: bool,
    #[command(flatten)]
    of_peers: peers::PeerArgs,
}

impl Args {
    /// The backend, without the devices' numbers.
    fn backend(&self) -> &str {
        self.device.split([':', ',']).next().unwrap_or_default()
    }

    fn is_on_gpu(&self) -> bool {
        !["flex", "ndarray"].contains(&self.backend())
    }

    fn dtypes(&self) -> Vec<&str> {
        match (&self.dtype[..], self.backend()) {
            ([], _) if self.peers => vec!["f32", "bf16", "int8"],
            ([], "cuda") => vec!["bf16"],
            ([], "ndarray") => vec!["f32"],
            ([], _) if self.is_on_gpu() => vec!["f16"],
            ([], _) => vec!["f32", "bf16"],
            (given, _) => given.iter().map(String::as_str).collect(),
        }
    }

    fn sizes(&self) -> Vec<String> {
        let usual = match self.peers {
            true => &[chart::INPUT][..],
            false => &[chart::INPUT, "1008x1008"],
        };
        match &self.size[..] {
            [] => usual.iter().map(|&size| size.to_owned()).collect(),
            given => given.to_vec(),
        }
    }

    /// The batches of the size with this index.
    fn batches(&self, size: usize) -> &[usize] {
        match (&self.batch[..], size) {
            ([], 0) => &[1, 8],
            ([], _) => &[1],
            (given, _) => given,
        }
    }

    fn threads(&self) -> Result<usize> {
        Ok(match self.threads {
            Some(threads) => threads,
            None => std::thread::available_parallelism()?.get(),
        })
    }

    fn reference_device(&self) -> &str {
        let usual = if self.is_on_gpu() { "cuda" } else { "cpu" };
        self.reference_device.as_deref().unwrap_or(usual)
    }

    fn heading(&self) -> Result<Heading<'_>> {
        let options = match (self.is_on_gpu(), &self.features.join(" and ")[..]) {
            (false, _) => String::new(),
            (true, "") => format!(", attention {}", self.attention),
            (true, features) => format!(", attention {}, built with {features}", self.attention),
        };
        Ok(Heading {
            device: &self.device,
            options,
            preset: &self.preset,
            repeat: self.repeat,
            threads: self.threads()?,
        })
    }
}

/// Times the full-size tower and transformers'. Both use the same checkpoint, images and threads, and take turns.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.peers {
        return peers::run(args);
    }
    let features = args.features.iter().map(String::as_str);
    let release = Release::build(std::iter::once(args.backend()).chain(features))?;
    let checkpoint = release.checkpoint(&args.preset)?;
    let images = images::scaled(&release, &args.sizes())?;
    let mut jpegs = match args.tower_only {
        true => Vec::new(),
        false => images::jpegs(&release)?,
    };
    let bench = Bench {
        args,
        release: &release,
        checkpoint: &checkpoint,
    };
    let mut table = Table::default();
    for dtype in args.dtypes() {
        // The time of reading JPEGs does not depend on the type, so it is measured once.
        let jpegs = std::mem::take(&mut jpegs);
        bench.towers(dtype, &jpegs, &images, &mut table)?;
        if !args.tower_only {
            table.rows.push(whole_process(&bench, dtype, &images[0])?);
        }
    }
    let text = table.markdown(&args.heading()?);
    println!("{text}");
    if args.write {
        write(args, &table, &text)?;
    }
    Ok(())
}

/// Writes the table, and the chart where the chart's image was timed on the CPU.
fn write(args: &Args, table: &Table, text: &str) -> Result<()> {
    let name = match args.is_on_gpu() {
        true => format!("bench {}", args.backend()),
        false => "bench".into(),
    };
    let file = shell::root().join("docs/performance.md");
    replace_between_marks(&file, &name, text)?;
    if args.is_on_gpu() || args.preset != PRESET {
        return Ok(());
    }
    let mut measured = Vec::new();
    for dtype in ["f32", "bf16"] {
        let row = table
            .rows
            .iter()
            .find(|row| row.is("encode", dtype, chart::INPUT));
        let (ours, theirs) = row.map(Row::medians).unwrap_or_default();
        measured.extend(ours.map(|seconds| Measured::new("glm4v", dtype, seconds)));
        measured.extend(theirs.map(|seconds| Measured::new("transformers", dtype, seconds)));
    }
    let threads = args.threads()?;
    chart::update(&measured, &format!("{}, {threads} threads", processor()))
}

struct Bench<'a> {
    args: &'a Args,
    release: &'a Release,
    checkpoint: &'a Path,
}

impl Bench<'_> {
    fn has_reference(&self) -> bool {
        self.args.reference != "none"
    }

    /// Times the preprocessing of `jpegs`, and the preprocessing and the tower for every image and batch.
    fn towers(
        &self,
        dtype: &str,
        jpegs: &[Named<Vec<PathBuf>>],
        images: &[Named<PathBuf>],
        table: &mut Table,
    ) -> Result<()> {
        let mut sides = self.sides(dtype, table)?;
        for (what, files) in jpegs {
            let of = [dtype, what];
            self.rows(&mut sides, of, files, &["preprocess"], table)?;
        }
        for (index, (size, image)) in images.iter().enumerate() {
            for &count in self.args.batches(index) {
                let what = match count {
                    1 => size.clone(),
                    count => format!("{count} of {size}"),
                };
                let files = vec![image.clone(); count];
                let verbs = ["preprocess", "encode"];
                self.rows(&mut sides, [dtype, &what], &files, &verbs, table)?;
            }
        }
        Ok(())
    }

    /// Our side, and theirs if there is a reference.
    fn sides(&self, dtype: &str, table: &mut Table) -> Result<(Side, Option<Side>)> {
        let ours = Side::start(&mut self.our_side(dtype))?;
        let theirs = match self.has_reference() {
            true => Some(Side::start(&mut self.their_side(dtype)?)?),
            false => None,
        };
        table.ours = ours.greeting.clone();
        if let Some(side) = &theirs {
            table.theirs = side.greeting.clone();
        }
        Ok((ours, theirs))
    }

    /// Adds a row for each request that both sides do with `files`. They take turns.
    fn rows(
        &self,
        (ours, theirs): &mut (Side, Option<Side>),
        [dtype, what]: [&str; 2],
        files: &[PathBuf],
        verbs: &[&str],
        table: &mut Table,
    ) -> Result<()> {
        let patches = ours.input(files)?;
        if let Some(theirs) = theirs {
            let found = theirs.input(files)?;
            ensure!(
                found == patches,
                "{what}: we have {patches} patches, transformers has {found}"
            );
        }
        for verb in verbs {
            let mut row = Row::new(dtype, what, Some(patches), verb);
            for round in 0..=self.args.repeat {
                let our_time = ours.seconds(verb)?;
                let their_time = theirs.as_mut().map(|side| side.seconds(verb)).transpose()?;
                if round > 0 {
                    row.add(our_time, their_time);
                }
            }
            row.peaks = (ours.peak()?, theirs.as_mut().map(Side::peak).transpose()?);
            eprintln!("{}", row.line());
            table.rows.push(row);
        }
        Ok(())
    }

    fn our_side(&self, dtype: &str) -> Command {
        let mut command = self.release.program("bench");
        command.arg("serve").arg(self.checkpoint);
        command.args(["--dtype", dtype, "--device", &self.args.device]);
        command.args(["--attention", &self.args.attention]);
        release::set_threads(&mut command, self.args.threads);
        command
    }

    fn their_side(&self, dtype: &str) -> Result<Command> {
        let mut command = python::reference()?;
        command.arg("serve").arg(self.checkpoint);
        command.args(["--dtype", dtype, "--device", self.args.reference_device()]);
        if let Some(threads) = self.args.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        if self.args.is_on_gpu() {
            command.arg("--compile");
        }
        Ok(command)
    }
}
