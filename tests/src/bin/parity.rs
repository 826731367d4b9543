//! The parity table: every stage of every golden case, on every backend asked for.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use glm4v::{DeviceSpec, FloatDType, VisionEncoder};
use glm4v_tests::{
    Comparison, Expected, F32_TOLERANCE, Golden, Input, attention, compare, own_stage, time,
};

/// Compares the encoder with the reference, stage by stage.
#[derive(Parser)]
struct Args {
    /// Devices to run on, as in `glm4v encode --device`
    #[arg(long = "backend", default_values = ["flex", "ndarray", "wgpu"], value_delimiter = ',')]
    backends: Vec<DeviceSpec>,
    /// Type of the parameters
    #[arg(long, default_value = "f32", value_parser = dtype)]
    dtype: FloatDType,
    /// How a GPU attends: auto, backend or plain
    #[arg(long, default_value = "auto")]
    attention: String,
    /// Cases to compare, by their names [default: all]
    #[arg(long = "case", value_delimiter = ',')]
    cases: Vec<String>,
    /// Largest relative L2 of a stage in f32; 16 bits are held to the reference's own
    #[arg(long, default_value_t = F32_TOLERANCE)]
    tolerance: f64,
    /// Fail where a device is missing, instead of skipping it aloud
    #[arg(long)]
    require: bool,
    /// Time the tower on each case this often, after a first run
    #[arg(long, default_value_t = 0)]
    repeat: usize,
    /// A checkpoint to compare on, instead of the committed goldens
    #[arg(long, requires = "expected", requires = "inputs")]
    checkpoint: Option<PathBuf>,
    /// What `reference.py run` wrote for that checkpoint
    #[arg(long)]
    expected: Option<PathBuf>,
    /// What it wrote when it ran in --dtype itself: our embeddings are held to its own error
    #[arg(long, requires = "expected")]
    own: Option<PathBuf>,
    /// The pictures and videos that it was given
    inputs: Vec<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let goldens = goldens(&args)?;
    let method = attention(&args.attention)?;
    let (mut compared, mut diverged) = (0, 0);
    for spec in &args.backends {
        let (info, device) = match spec.find().and_then(|info| Ok((info, spec.open()?))) {
            Ok(found) => found,
            Err(error) if args.require => return Err(error.into()),
            Err(error) => {
                println!("SKIPPED {spec}: {error}\n");
                continue;
            }
        };
        println!(
            "{spec}: {}, {:?}, attention {}",
            info.name, args.dtype, args.attention
        );
        for golden in &goldens {
            if let Some(reason) = golden.unreadable() {
                println!("  SKIPPED {}: {reason}\n", golden.name);
                continue;
            }
            let (mut encoder, _) =
                VisionEncoder::from_dir_with(&golden.checkpoint, &device, args.dtype)?;
            if let Some(method) = method {
                encoder = encoder.with_attention(method);
            }
            let comparison = compare(golden, &encoder, args.dtype, args.tolerance)?;
            compared += 1;
            diverged += usize::from(!print(&golden.name, &comparison));
            print_times(golden, &encoder, args.repeat)?;
        }
    }
    println!("{} passed, {diverged} failed", compared - diverged);
    Ok(ExitCode::from(u8::from(diverged > 0 || compared == 0)))
}

fn goldens(args: &Args) -> Result<Vec<Golden>> {
    let (Some(checkpoint), Some(expected)) = (&args.checkpoint, &args.expected) else {
        return chosen(Golden::all()?, &args.cases);
    };
    let mut expected = Expected::read(expected)?;
    if let Some(own) = &args.own {
        let merger = Expected::read(own)?.stages.remove("merger");
        let merger = merger.context("--own has no embeddings")?;
        let stage = own_stage(args.dtype).context("--own goes with --dtype f16 or bf16")?;
        expected.stages.insert(stage.to_owned(), merger);
    }
    Ok(vec![Golden {
        name: checkpoint.display().to_string(),
        checkpoint: checkpoint.clone(),
        inputs: args.inputs.iter().cloned().map(Input::file).collect(),
        expected,
    }])
}

/// The cases of these names; without any, all.
fn chosen(mut goldens: Vec<Golden>, cases: &[String]) -> Result<Vec<Golden>> {
    if let Some(unknown) = cases
        .iter()
        .find(|case| goldens.iter().all(|golden| golden.name != **case))
    {
        bail!("there is no case {unknown}");
    }
    goldens.retain(|golden| cases.is_empty() || cases.contains(&golden.name));
    Ok(goldens)
}

fn print(name: &str, comparison: &Comparison) -> bool {
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
            if row.holds() { "" } else { "  <- too far" }
        );
    }
    match comparison.first_divergence() {
        None => println!("  {name}: agrees with the reference\n"),
        Some(row) => println!("  {name}: DIVERGES, first at {}\n", row.stage),
    }
    comparison.first_divergence().is_none()
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

fn dtype(name: &str) -> Result<FloatDType, String> {
    match name {
        "f32" => Ok(FloatDType::F32),
        "f16" => Ok(FloatDType::F16),
        "bf16" => Ok(FloatDType::BF16),
        _ => Err("expected f32, f16 or bf16".into()),
    }
}
