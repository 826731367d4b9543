mod pictures;
mod process;
mod side;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use self::pictures::Named;
use self::process::whole_process;
use self::side::Side;
use self::table::{Row, Table};
use crate::{full, parity, python, shell};

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where ours runs, as in `glm4v encode --device`
    #[arg(long, default_value = "flex")]
    device: String,
    /// How a GPU attends, as in `glm4v encode --attention-method`
    #[arg(long, default_value = "auto")]
    attention: String,
    /// What else burn is built with: fusion, autotune
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// What to compare with: transformers (SDPA; beside a GPU through torch.compile), or none
    #[arg(long, default_value = "transformers", value_parser = ["transformers", "none"])]
    reference: String,
    /// Where that runs: cpu, cuda or cuda:N [default: cpu, beside a GPU cuda]
    #[arg(long)]
    reference_device: Option<String>,
    /// Which of the family: a preset of `glm4v init`
    #[arg(long, default_value = parity::PRESET)]
    preset: String,
    /// Types of the weights [default: f32,bf16; on CUDA bf16, on other GPUs f16]
    #[arg(long, value_delimiter = ',')]
    dtype: Vec<String>,
    /// Sizes of the photo, as WIDTHxHEIGHT; 1792x2688 is the largest that a checkpoint takes, 24,576 patches
    #[arg(long, value_delimiter = ',', default_value = "336x336,1008x1008")]
    size: Vec<String>,
    /// Photos in a batch
    #[arg(long, value_delimiter = ',', default_value = "1,8")]
    batch: Vec<usize>,
    /// Timed runs of each side in turn, after a first one
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Threads of each side [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// Put the table into docs/performance.md, between the marks of this kind of device
    #[arg(long)]
    write: bool,
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
            ([], "cuda") => vec!["bf16"],
            ([], "ndarray") => vec!["f32"],
            ([], _) if self.is_on_gpu() => vec!["f16"],
            ([], _) => vec!["f32", "bf16"],
            (given, _) => given.iter().map(String::as_str).collect(),
        }
    }

    fn reference_device(&self) -> &str {
        let usual = if self.is_on_gpu() { "cuda" } else { "cpu" };
        self.reference_device.as_deref().unwrap_or(usual)
    }
}

/// Times the full-size tower beside transformers': both in turn, on the same checkpoint, photos and threads.
pub(crate) fn run(args: &Args) -> Result<()> {
    let features = args.features.iter().map(String::as_str);
    let features: Vec<&str> = std::iter::once(args.backend()).chain(features).collect();
    let release = full::build(&features)?;
    let work = shell::target_dir()?.join("full");
    std::fs::create_dir_all(&work)?;
    let checkpoint = full::checkpoint(&release, &work, &args.preset)?;
    let photos = pictures::photos(args, &release, &work)?;
    let mut jpegs = pictures::jpegs(&release, &work)?;
    let bench = Bench {
        args,
        release: &release,
        checkpoint: &checkpoint,
        work: &work,
    };
    let mut table = Table::default();
    for dtype in args.dtypes() {
        // What has nothing to do with the type is measured once.
        let jpegs = std::mem::take(&mut jpegs);
        bench.towers(dtype, &jpegs, &photos, &mut table)?;
        table.rows.push(whole_process(&bench, dtype, &photos[0])?);
    }
    let text = table.markdown(args)?;
    println!("{text}");
    if args.write {
        table::put(&shell::root().join("docs/performance.md"), args, &text)?;
    }
    Ok(())
}

struct Bench<'a> {
    args: &'a Args,
    release: &'a Path,
    checkpoint: &'a Path,
    work: &'a Path,
}

impl Bench<'_> {
    fn has_reference(&self) -> bool {
        self.args.reference != "none"
    }

    /// Preprocessing of `jpegs`; preprocessing and tower of every photo and batch.
    fn towers(
        &self,
        dtype: &str,
        jpegs: &[Named<Vec<PathBuf>>],
        photos: &[Named<PathBuf>],
        table: &mut Table,
    ) -> Result<()> {
        let mut sides = self.sides(dtype, table)?;
        for (what, files) in jpegs {
            let of = [dtype, what];
            self.rows(&mut sides, of, files, &["preprocess"], table)?;
        }
        for (size, photo) in photos {
            for &count in &self.args.batch {
                let what = match count {
                    1 => size.clone(),
                    count => format!("{count} of {size}"),
                };
                let files = vec![photo.clone(); count];
                let verbs = ["preprocess", "encode"];
                self.rows(&mut sides, [dtype, &what], &files, &verbs, table)?;
            }
        }
        Ok(())
    }

    /// Ours, and theirs where there is one.
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

    /// A row for each thing that both sides do with `files`, in turn.
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
                "{what}: {patches} patches here, {found} there"
            );
        }
        for verb in verbs {
            let mut row = Row::new(dtype, what, Some(patches), verb);
            for round in 0..=self.args.repeat {
                let own = ours.seconds(verb)?;
                let other = theirs.as_mut().map(|side| side.seconds(verb)).transpose()?;
                if round > 0 {
                    row.add(own, other);
                }
            }
            row.peaks = (ours.peak()?, theirs.as_mut().map(Side::peak).transpose()?);
            eprintln!("{}", row.line());
            table.rows.push(row);
        }
        Ok(())
    }

    fn our_side(&self, dtype: &str) -> Command {
        let mut command = Command::new(self.release.join("bench"));
        command.arg("serve").arg(self.checkpoint);
        command.args(["--dtype", dtype, "--device", &self.args.device]);
        command.args(["--attention", &self.args.attention]);
        self.with_threads(&mut command);
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

    fn with_threads(&self, command: &mut Command) {
        if let Some(threads) = self.args.threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
    }
}
