//! All that is measured on a machine with a GPU, in one report.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::release::{PRESET, Release};
use crate::shell;

/// Arguments of `gpu-report`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The GPU, as in `glm4v encode --device`
    #[arg(long, default_value = "cuda")]
    device: String,
    /// The model: a preset of `glm4v init`
    #[arg(long, default_value = PRESET)]
    preset: String,
    /// Data types
    #[arg(long, value_delimiter = ',', default_value = "f32,f16,bf16")]
    dtype: Vec<String>,
    /// The data type whose speed is measured
    #[arg(long, default_value = "bf16")]
    fast_dtype: String,
    /// Sizes of the image, as WIDTHxHEIGHT
    #[arg(long, value_delimiter = ',', default_value = "336x336")]
    size: Vec<String>,
    /// Images in a batch
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    batch: Vec<usize>,
    /// Timed runs of each side
    #[arg(long, default_value_t = 3)]
    repeat: u16,
    /// What to compare the speed with: transformers (SDPA, torch.compile) or none
    #[arg(long, default_value = "transformers")]
    reference: String,
    /// The device of transformers
    #[arg(long, default_value = "cuda")]
    reference_device: String,
    /// Sets of features, joined by +. Each set is built and timed
    #[arg(long, value_delimiter = ',', default_value = "autotune")]
    features: Vec<String>,
    /// Run the steps whose title contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Most seconds of a step. A step that takes longer is stopped, and the next one runs
    #[arg(long, default_value_t = 1800)]
    limit: u32,
    /// The file to write
    #[arg(short, long, default_value = "docs/performance-gpu.md")]
    output: PathBuf,
}

/// One measurement.
struct Step {
    title: String,
    /// What a reader must know.
    about: &'static str,
    command: Command,
}

/// Runs every step, and writes the report after each one. A step that fails leaves its error in the report.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut report = String::from(INTRODUCTION);
    let mut failed = Vec::new();
    for step in steps(args)? {
        let chosen = args.only.as_ref();
        if chosen.is_some_and(|only| !step.title.contains(only.as_str())) {
            continue;
        }
        let title = step.title.clone();
        let (text, passed) = step.section(args.limit)?;
        println!("{text}");
        report += &text;
        std::fs::write(&args.output, &report).with_context(|| args.output.display().to_string())?;
        if !passed {
            failed.push(title);
        }
    }
    ensure!(
        failed.is_empty(),
        "steps that failed: {}",
        failed.join(", ")
    );
    Ok(())
}

const INTRODUCTION: &str = "# Performance on GPUs

`cargo xtask gpu-report` wrote this file: each section is the output of the command above it.
";

fn steps(args: &Args) -> Result<Vec<Step>> {
    let plain = Release::build([&args.device[..]]);
    let mut steps = Vec::new();
    if args.device.starts_with("cuda") {
        steps.push(card());
    }
    // Without the plain programs, what needs other features may still run.
    match &plain {
        Ok(release) => steps.extend(agreement(args, release)),
        Err(error) => eprintln!("the programs without features of burn: {error:#}"),
    }
    steps.push(full_size(args)?);
    steps.push(bench(args, "", "auto", &args.reference)?);
    for method in ["backend", "eager"] {
        steps.push(bench(args, "", method, "none")?);
    }
    for features in &args.features {
        steps.push(bench(args, features, "auto", "none")?);
    }
    if let Ok(release) = &plain {
        steps.extend(args.batch.iter().map(|count| plan(args, release, *count)));
    }
    Ok(steps)
}

fn card() -> Step {
    let mut command = Command::new("nvidia-smi");
    command.args([
        "--query-gpu=name,driver_version,memory.total",
        "--format=csv",
    ]);
    Step {
        title: "GPU".into(),
        about: "The card and its driver.",
        command,
    }
}

/// The devices that are found, and the goldens in each data type.
fn agreement(args: &Args, release: &Release) -> Vec<Step> {
    let mut devices = release.program("glm4v");
    devices.arg("devices");
    let mut steps = vec![Step {
        title: "Devices".into(),
        about: "What the program finds.",
        command: devices,
    }];
    for dtype in &args.dtype {
        let mut command = release.program("parity");
        command.args(["--backend", &args.device, "--dtype", dtype]);
        command.args(["--require", "--brief"]);
        steps.push(Step {
            title: format!("Agreement of every golden in {dtype}"),
            about: "The largest error of a stage for each case. In 16 bits the reference's own error is the limit.",
            command,
        });
    }
    steps
}

fn full_size(args: &Args) -> Result<Step> {
    let mut command = verb("test-parity")?;
    command.args(["--full", "--backend", &args.device]);
    command.args(["--dtype", &args.fast_dtype, "--preset", &args.preset]);
    Ok(Step {
        title: format!("Agreement at full size in {}", args.fast_dtype),
        about: "Every stage of the tower beside transformers on the CPU in f32.",
        command,
    })
}

fn bench(args: &Args, features: &str, method: &str, reference: &str) -> Result<Step> {
    let mut command = verb("bench")?;
    command.args(["--tower-only", "--device", &args.device]);
    command.args(["--dtype", &args.fast_dtype, "--preset", &args.preset]);
    let batch: Vec<String> = args.batch.iter().map(usize::to_string).collect();
    command.args(["--size", &args.size.join(","), "--batch", &batch.join(",")]);
    command.args(["--repeat", &args.repeat.to_string()]);
    command.args(["--attention", method, "--reference", reference]);
    command.args(["--reference-device", &args.reference_device]);
    let mut title = format!("Speed, attention {method}");
    if !features.is_empty() {
        command.args(["--features", &features.replace('+', ",")]);
        write!(title, ", built with {}", features.replace('+', " and "))?;
    }
    Ok(Step {
        title,
        about: "From patch rows to embeddings on the host. GPU memory is what each library holds.",
        command,
    })
}

/// The memory that is predicted for a batch of the bench.
fn plan(args: &Args, release: &Release, count: usize) -> Step {
    let mut command = release.program("glm4v");
    command.arg("plan");
    for size in &args.size {
        command.args(std::iter::repeat_n(size, count));
    }
    command.args(["--preset", &args.preset, "--device", &args.device]);
    command.args(["--dtype", &args.fast_dtype]);
    Step {
        title: format!("Predicted memory, {count} at once"),
        about: "Beside the GPU memory of the tables above.",
        command,
    }
}

/// A verb of this program.
fn verb(name: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name);
    Ok(command)
}

impl Step {
    /// Runs the step, and returns its section of the report, and whether it passed.
    fn section(self, limit: u32) -> Result<(String, bool)> {
        let shown = shown(&self.command);
        eprintln!("$ {shown}");
        let start = Instant::now();
        let outcome = outcome(&self.command, limit);
        let seconds = start.elapsed().as_secs_f64();
        let mut text = format!("\n## {}\n\n{}\n\n    {shown}\n\n", self.title, self.about);
        match &outcome {
            // A table is Markdown already.
            Ok(output) if output.contains("|---|") => text += output,
            Ok(output) => write!(text, "```text\n{}\n```\n", output.trim_end())?,
            Err(error) => writeln!(text, "Failed: {error:#}")?,
        }
        write!(text, "\n{seconds:.0} s.\n")?;
        Ok((text, outcome.is_ok()))
    }
}

/// The standard output of a command that ends within the limit, or what it said before it failed.
fn outcome(command: &Command, limit: u32) -> Result<String> {
    // It ends the command's own processes as well.
    let mut limited = Command::new("timeout");
    limited.args(["--kill-after=5", &limit.to_string()]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.current_dir(shell::root()).stdin(Stdio::null());
    let output = limited
        .output()
        .context("timeout (of GNU coreutils) limits each step")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code() == Some(124) {
        bail!("stopped after {limit} s; it had printed:\n\n```text\n{text}\n```");
    }
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{}\n\n```text\n{text}{}\n```",
            output.status,
            last_lines(&errors)
        );
    }
    Ok(text)
}

/// The end of a long text.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The command without the folders of its program.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let parts = std::iter::once(name).chain(command.get_args());
    let parts: Vec<_> = parts.map(|part| part.to_string_lossy()).collect();
    parts.join(" ")
}
