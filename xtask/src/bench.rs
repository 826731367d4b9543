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
use crate::{full, python, shell};

const PRESET: &str = "glm-4.1v-9b";

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where ours runs, as in `glm4v encode --device`; on a GPU the reference runs on CUDA
    #[arg(long, default_value = "flex")]
    device: String,
    /// What to compare with: transformers, or none
    #[arg(long, default_value = "transformers", value_parser = ["transformers", "none"])]
    reference: String,
    /// Types of the weights
    #[arg(long, value_delimiter = ',', default_value = "f32,bf16", value_parser = ["f32", "f16", "bf16"])]
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
    /// Put the table into docs/performance.md
    #[arg(long)]
    write: bool,
}

/// Times the full-size tower beside transformers': both in turn, on the same checkpoint, photos and threads.
pub(crate) fn run(args: &Args) -> Result<()> {
    let backend = args.device.split(':').next().unwrap_or_default();
    let release = full::build(&[backend])?;
    let work = shell::target_dir()?.join("full");
    std::fs::create_dir_all(&work)?;
    let checkpoint = full::checkpoint(&release, &work, PRESET)?;
    let photos = pictures::photos(args, &release, &work)?;
    let bench = Bench {
        args,
        release: &release,
        checkpoint: &checkpoint,
        work: &work,
    };
    let mut table = Table::default();
    bench.jpegs(&mut table)?;
    for dtype in &args.dtype {
        bench.towers(dtype, &photos, &mut table)?;
        table.rows.push(whole_process(&bench, dtype, &photos[0].1)?);
    }
    let text = table.markdown(args)?;
    println!("{text}");
    if args.write {
        table::put(&shell::root().join("docs/performance.md"), &text)?;
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

    /// Preprocessing and tower of every photo and batch, in one type.
    fn towers(&self, dtype: &str, photos: &[Named<PathBuf>], table: &mut Table) -> Result<()> {
        let mut sides = self.sides(dtype, table)?;
        for (size, photo) in photos {
            for &count in &self.args.batch {
                let what = match count {
                    1 => size.clone(),
                    count => format!("{count} of {size}"),
                };
                let files = vec![photo.clone(); count];
                self.rows(
                    &mut sides,
                    [dtype, &what],
                    &files,
                    &["preprocess", "encode"],
                    table,
                )?;
            }
        }
        Ok(())
    }

    /// Preprocessing of JPEGs, whatever the type.
    fn jpegs(&self, table: &mut Table) -> Result<()> {
        let mut sides = self.sides(&self.args.dtype[0], table)?;
        for (what, files) in pictures::jpegs(self.release, self.work)? {
            self.rows(&mut sides, ["any", &what], &files, &["preprocess"], table)?;
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
        if let Some(side) = &theirs {
            table.versions = side.greeting["versions"].clone();
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
            let mut row = Row::new(dtype, what, patches, verb);
            for round in 0..=self.args.repeat {
                let own = ours.seconds(verb)?;
                let other = theirs.as_mut().map(|side| side.seconds(verb)).transpose()?;
                if round > 0 {
                    row.add(own, other);
                }
            }
            row.peak = (
                ours.peak()?,
                theirs.as_mut().map(Side::peak).transpose()?.flatten(),
            );
            eprintln!("{}", row.line());
            table.rows.push(row);
        }
        Ok(())
    }

    fn our_side(&self, dtype: &str) -> Command {
        let mut command = Command::new(self.release.join("bench"));
        command.arg("serve").arg(self.checkpoint);
        command.args(["--dtype", dtype, "--device", &self.args.device]);
        self.with_threads(&mut command);
        command
    }

    fn their_side(&self, dtype: &str) -> Result<Command> {
        let mut command = python::reference()?;
        command.arg("serve").arg(self.checkpoint);
        command.args(["--dtype", dtype]);
        if let Some(threads) = self.args.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        if !["flex", "ndarray"].contains(&&self.args.device[..]) {
            command.args(["--device", "cuda", "--compile"]);
        }
        Ok(command)
    }

    fn with_threads(&self, command: &mut Command) {
        if let Some(threads) = self.args.threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
    }
}
