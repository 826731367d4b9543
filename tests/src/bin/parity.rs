//! Prints the parity table: every stage of every golden case, on the requested backends.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use glm4v::{ComputeType, DeviceSpec, LoadOptions, VisionEncoder};
use glm4v_tests::{
    Comparison, Expected, F32_TOLERANCE, Golden, Input, attention, compare, reduced_stage, time,
};

/// Compares the encoder with the reference, stage by stage.
#[derive(Parser)]
struct Args {
    /// Devices, as in `glm4v encode --device`
    #[arg(long = "backend", default_values = ["flex", "ndarray"], value_delimiter = ',')]
    backends: Vec<DeviceSpec>,
    /// The data type: f32, f16, bf16 or int8
    #[arg(long, default_value = "f32")]
    dtype: ComputeType,
    /// The attention method: auto, backend or eager
    #[arg(long, default_value = "auto")]
    attention: String,
    /// A folder of cases to compare, instead of the committed goldens
    #[arg(long, conflicts_with = "checkpoint")]
    goldens: Option<PathBuf>,
    /// Print one line for each case that agrees
    #[arg(long)]
    brief: bool,
    /// Cases to compare, by their names [default: all]
    #[arg(long = "case", value_delimiter = ',')]
    cases: Vec<String>,
    /// Largest relative L2 of a stage in f32. In 16 bits the reference's own error is the measure
    #[arg(long, default_value_t = F32_TOLERANCE)]
    tolerance: f64,
    /// Fail if a device is missing, instead of skipping it with a message
    #[arg(long)]
    require: bool,
    /// Timed runs of the tower on each case, after one that is not timed
    #[arg(long, default_value_t = 0)]
    repeat: usize,
    /// A checkpoint to compare, instead of the committed goldens
    #[arg(long, requires = "expected", requires = "inputs")]
    checkpoint: Option<PathBuf>,
    /// The file that `reference.py run` wrote for the checkpoint
    #[arg(long)]
    expected: Option<PathBuf>,
    /// The file that it wrote in --dtype. Its error is the measure of ours
    #[arg(long, requires = "expected")]
    own: Option<PathBuf>,
    /// The images and videos of that run
    inputs: Vec<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let goldens = goldens(&args)?;
    let method = attention(&args.attention)?;
    let (mut compared, mut diverged) = (0, Vec::new());
    for spec in &args.backends {
        let info = match spec.find().and_then(|info| info.spec.open().map(|_| info)) {
            Ok(found) => found,
            Err(error) if args.require => return Err(error.into()),
            Err(error) => {
                println!("SKIPPED {spec}: {error}\n");
                continue;
            }
        };
        println!(
            "{spec}: {}, {}, attention {}",
            info.name, args.dtype, args.attention
        );
        for golden in &goldens {
            if let Some(reason) = golden.unreadable() {
                println!("  SKIPPED {}: {reason}\n", golden.name);
                continue;
            }
            let options = LoadOptions {
                device: (*spec).into(),
                dtype: args.dtype,
                attention: method,
                ..LoadOptions::default()
            };
            let encoder = VisionEncoder::load(&golden.checkpoint, &options)?;
            let comparison = compare(golden, &encoder, args.dtype, args.tolerance)?;
            compared += 1;
            if !print(&golden.name, &comparison, args.brief) {
                diverged.push(&golden.name[..]);
            }
            print_times(golden, &encoder, args.repeat)?;
        }
    }
    let failed = diverged.len();
    println!("{} passed, {failed} failed", compared - failed);
    if failed > 0 {
        println!("failed: {}", diverged.join(", "));
    }
    Ok(ExitCode::from(u8::from(failed > 0 || compared == 0)))
}

fn goldens(args: &Args) -> Result<Vec<Golden>> {
    let (Some(checkpoint), Some(expected)) = (&args.checkpoint, &args.expected) else {
        let goldens = args.goldens.as_deref().map(Golden::all_in);
        return chosen(goldens.unwrap_or_else(Golden::all)?, &args.cases);
    };
    let mut expected = Expected::read(expected)?;
    if let Some(own) = &args.own {
        let merger = Expected::read(own)?.stages.remove("merger");
        let merger = merger.context("the file of --own has no stage merger")?;
        let stage = match args.dtype {
            ComputeType::Float(dtype) => reduced_stage(dtype),
            ComputeType::Int8 => None,
        };
        let stage = stage.context("--own needs --dtype f16 or bf16")?;
        expected.stages.insert(stage.to_owned(), merger);
    }
    Ok(vec![Golden {
        name: checkpoint.display().to_string(),
        checkpoint: checkpoint.clone(),
        inputs: args.inputs.iter().cloned().map(Input::file).collect(),
        expected,
    }])
}

/// The cases with these names, or all cases if no name is given.
fn chosen(mut goldens: Vec<Golden>, cases: &[String]) -> Result<Vec<Golden>> {
    if let Some(unknown) = cases
        .iter()
        .find(|case| goldens.iter().all(|golden| golden.name != **case))
    {
        bail!("there is no golden case {unknown}");
    }
    goldens.retain(|golden| cases.is_empty() || cases.contains(&golden.name));
    Ok(goldens)
}

/// Prints the stages, and tells whether all of them agree. In brief, only the largest error of a case that agrees is printed.
fn print(name: &str, comparison: &Comparison, brief: bool) -> bool {
    let agrees = comparison.first_divergence().is_none();
    if brief && agrees {
        let errors = comparison.rows.iter();
        let errors = errors.map(|row| row.difference.relative_l2);
        let largest = errors.fold(0.0, f64::max);
        println!("  {name:<22} largest relative L2 {largest:.2e}");
        return agrees;
    }
    println!(
        "  {name:<22} {:<20} {:>11} {:>11} {:>15}",
        "stage", "relative L2", "max abs", "1 - cosine"
    );
    for row in &comparison.rows {
        let difference = row.difference;
        println!(
            "  {:<22} {:<20} {:>11.2e} {:>11.2e} {:>15.2e}{}",
            "",
            row.stage,
            difference.relative_l2,
            difference.max_abs,
            1.0 - difference.cosine,
            if row.holds() {
                ""
            } else {
                "  <- beyond the tolerance"
            }
        );
    }
    match comparison.first_divergence() {
        None => println!("  {name}: agrees with the reference\n"),
        Some(row) => println!("  {name}: DIVERGES, first at {}\n", row.stage),
    }
    agrees
}

fn print_times(golden: &Golden, encoder: &VisionEncoder, repeat: usize) -> Result<()> {
    let mut seconds = time(golden, encoder, repeat)?;
    seconds.sort_by(f64::total_cmp);
    if let (Some(min), Some(max)) = (seconds.first(), seconds.last()) {
        let median = seconds[seconds.len() / 2];
        println!(
            "  {}: tower {median:.3} s (min {min:.3}, max {max:.3})\n",
            golden.name
        );
    }
    Ok(())
}
