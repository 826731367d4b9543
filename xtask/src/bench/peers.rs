//! `cargo xtask bench --peers`: other programs that run the same tower on the CPU, in turn with ours.

mod accuracy;
mod peer;
mod report;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use self::accuracy::Accuracy;
use self::peer::{PEERS, Peer};
use self::report::{Heading, Measured, OURS, Report};
use super::side::{self, Side};
use super::{Args as BenchArgs, Bench};
use crate::release::{PRESET, Release, replace_between_marks};
use crate::{chart, python, shell};

/// Arguments of `bench --peers`.
#[derive(clap::Args)]
#[command(next_help_heading = "Options of --peers")]
pub(super) struct PeerArgs {
    /// A checkpoint, instead of random weights of the preset
    #[arg(long, value_name = "DIR", requires = "peers", conflicts_with_all = ["preset", "write"])]
    checkpoint: Option<PathBuf>,
    /// The program of llama.cpp [default: the one that `cargo xtask test-llama` built]
    #[arg(long, value_name = "FILE", requires = "peers")]
    llama: Option<PathBuf>,
    /// Only programs whose name contains this, such as OpenVINO
    #[arg(long, value_name = "TEXT", requires = "peers")]
    only: Option<String>,
}

/// The image that calibrates 8 bits. It is not the image that is timed.
const CALIBRATION: &str = "tests/images/chelsea.png";

/// Times every peer, and compares its embeddings with those of transformers in f32. A peer that fails becomes a line of the
/// report.
pub(super) fn run(args: &BenchArgs) -> Result<()> {
    for dtype in args.dtypes() {
        ensure!(
            PEERS.iter().any(|peer| peer.dtype == dtype),
            "--dtype {dtype}: --peers has f32, bf16 and int8"
        );
    }
    let release = Release::build(["flex"])?;
    let checkpoint = match &args.of_peers.checkpoint {
        Some(checkpoint) => checkpoint.clone(),
        None => release.checkpoint(&args.preset)?,
    };
    let bench = Bench {
        args,
        release: &release,
        checkpoint: &checkpoint,
    };
    let mut text = String::new();
    for size in args.sizes() {
        let report = Peers::prepare(&bench, &size)?.report()?;
        let heading = heading(args, &size)?;
        let table = report.markdown(&heading);
        println!("{table}");
        if args.write && args.preset == PRESET && size == chart::INPUT {
            chart::rewrite(report.programs(), &report.caption(&heading))?;
        }
        text += &table;
    }
    if args.write {
        let file = shell::root().join("docs/performance.md");
        replace_between_marks(&file, "peers", &text)?;
    }
    Ok(())
}

fn heading<'a>(args: &BenchArgs, size: &'a str) -> Result<Heading<'a>> {
    let weights = match &args.of_peers.checkpoint {
        Some(checkpoint) => checkpoint.display().to_string(),
        None => format!("{} with random weights", args.preset),
    };
    Ok(Heading {
        threads: args.threads()?,
        repeat: args.repeat,
        size,
        weights,
    })
}

/// One image for all programs.
struct Peers<'a> {
    bench: &'a Bench<'a>,
    python: PathBuf,
    image: PathBuf,
    /// The inputs of the peers, the expected embeddings, and one exported tower at a time.
    folder: PathBuf,
    expected: Vec<f32>,
    width: usize,
    patches: u64,
    versions: Value,
}

impl<'a> Peers<'a> {
    /// Runs transformers in f32 on the image.
    fn prepare(bench: &'a Bench<'a>, size: &str) -> Result<Self> {
        let image = bench.release.scaled(size)?;
        let folder = bench.release.work.join("peers");
        empty(&folder)?;
        let python = python::peers()?;
        let mut prepare = script(&python, bench.args.threads()?);
        prepare.arg("prepare").arg(bench.checkpoint).arg(&image);
        prepare.arg(shell::root().join(CALIBRATION)).arg(&folder);
        let mut answer = last_answer(&mut prepare)?;
        let number = |name: &str| {
            let found = answer[name].as_u64();
            found.with_context(|| format!("expected `{name}`, found {answer}"))
        };
        let (patches, width) = (number("patches")?, number("width")?);
        Ok(Self {
            bench,
            image,
            expected: accuracy::values(&folder.join("expected.f32"))?,
            width: usize::try_from(width)?,
            patches,
            versions: answer["versions"].take(),
            python,
            folder,
        })
    }

    fn report(&self) -> Result<Report> {
        let mut report = Report::new(self.patches);
        report.add_versions(&self.versions);
        for dtype in self.bench.args.dtypes() {
            self.measure_all(dtype, &mut report)?;
        }
        empty(&self.folder)?;
        Ok(report)
    }

    /// Measures ours in a type, in turn with each peer of this type.
    fn measure_all(&self, dtype: &str, report: &mut Report) -> Result<()> {
        let mut ours = Side::start(&mut self.bench.our_side(dtype))?;
        let patches = ours.input(std::slice::from_ref(&self.image))?;
        ensure!(
            patches == self.patches,
            "we have {patches} patches, transformers has {}",
            self.patches
        );
        ours.seconds("encode")?;
        let mut own = Vec::new();
        for peer in self.chosen(dtype) {
            let times = own.len();
            match self.measure(peer, &mut ours, &mut own, report) {
                Ok(measured) => report.rows.push(measured),
                Err(error) => {
                    own.truncate(times);
                    let line = format!("{}: {error:#}", peer.label());
                    eprintln!("NOT MEASURED {line}");
                    report.missing.push(line);
                }
            }
        }
        if own.is_empty() {
            for _ in 0..self.bench.args.repeat {
                own.push(ours.seconds("encode")?);
            }
        }
        report.rows.push(Measured {
            program: OURS,
            dtype: dtype.to_owned(),
            note: None,
            seconds: own,
            ratios: Vec::new(),
            peak: ours.peak()?,
            accuracy: self.accuracy(&mut ours)?,
        });
        Ok(())
    }

    fn chosen(&self, dtype: &str) -> impl Iterator<Item = &'static Peer> {
        let only = self.bench.args.of_peers.only.as_deref().unwrap_or_default();
        PEERS
            .iter()
            .filter(move |peer| peer.dtype == dtype && peer.program.name().contains(only))
    }

    /// Exports the tower for a peer, starts it, and takes turns with it. Our times are added to `own`.
    fn measure(
        &self,
        peer: &Peer,
        ours: &mut Side,
        own: &mut Vec<f64>,
        report: &mut Report,
    ) -> Result<Measured> {
        let model = self.folder.join("model");
        empty(&model)?;
        eprintln!("{}: preparing", peer.label());
        let exported = match peer.export(self)? {
            Some(mut command) => last_answer(&mut command)?,
            None => Value::Null,
        };
        let mut theirs = Side::start(&mut peer.serve(self)?)?;
        report.add_versions(&exported["versions"]);
        report.add_versions(&theirs.greeting["versions"]);
        theirs.input(&[])?;
        theirs.seconds("encode")?;
        let (mut seconds, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..self.bench.args.repeat {
            let (our_time, their_time) = (ours.seconds("encode")?, theirs.seconds("encode")?);
            own.push(our_time);
            seconds.push(their_time);
            ratios.push(our_time / their_time);
        }
        let measured = Measured {
            program: peer.program.name(),
            dtype: peer.dtype.to_owned(),
            note: peer.note,
            seconds,
            ratios,
            peak: theirs.peak()?,
            accuracy: self.accuracy(&mut theirs)?,
        };
        eprintln!("{}", measured.line());
        drop(theirs);
        empty(&model)?;
        Ok(measured)
    }

    fn accuracy(&self, side: &mut Side) -> Result<Accuracy> {
        let file = self.folder.join("found.f32");
        side.save(&file)?;
        Accuracy::of(&accuracy::values(&file)?, &self.expected, self.width)
    }

    /// The script with a verb and the program of `peer`.
    fn script(&self, verb: &str, peer: &Peer) -> Result<Command> {
        let mut command = script(&self.python, self.bench.args.threads()?);
        command.args([verb, peer.program.script_name(), peer.dtype]);
        command.arg(self.bench.checkpoint).arg(&self.folder);
        Ok(command)
    }

    /// The program of llama.cpp.
    fn llama(&self) -> Result<PathBuf> {
        let program = match &self.bench.args.of_peers.llama {
            Some(program) => program.clone(),
            None => shell::target_dir()?.join("llama/llama-embed"),
        };
        ensure!(
            program.is_file(),
            "{} is not built: run `cargo xtask test-llama`, or name the program with --llama",
            program.display()
        );
        Ok(program)
    }
}

fn script(python: &Path, threads: usize) -> Command {
    let mut command = Command::new(python);
    command.arg(shell::root().join("tests/peers/peers.py"));
    command.arg("--threads").arg(threads.to_string());
    command
}

/// Runs a command that prints one line of JSON.
fn last_answer(command: &mut Command) -> Result<Value> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().last() {
        Some(line) => side::answer(line),
        None => {
            ensure!(
                output.status.success(),
                "the process ended: {}",
                output.status
            );
            Ok(Value::Null)
        }
    }
}

/// Makes an empty folder.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}
