use std::process::Command;

use anyhow::{Context, Result};

use crate::{parity, python, shell};

/// The limit of every stage in f32, in relative L2. It is twice that of the goldens: random towers may magnify rounding more.
const TOLERANCE: &str = "1e-5";

/// Arguments of `differential`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Number of random cases
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    /// The seed; the same seed gives the same cases
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Run this case of the seed only
    #[arg(long, conflicts_with = "cases")]
    case: Option<u32>,
    /// Backends, as in `test-parity`
    #[arg(long = "backend", default_values = ["flex", "ndarray"], value_delimiter = ',')]
    backends: Vec<String>,
}

/// Makes random towers and images, runs transformers on them, and compares every stage.
pub(crate) fn run(args: &Args) -> Result<()> {
    let target = shell::target_dir()?;
    let work = target.join(format!("differential/{}", args.seed));
    if work.exists() {
        std::fs::remove_dir_all(&work).with_context(|| work.display().to_string())?;
    }
    let mut make = python::script("differential.py")?;
    make.arg(&work).args(["--seed", &args.seed.to_string()]);
    let (option, number) = match args.case {
        Some(case) => ("--case", case),
        None => ("--cases", args.cases),
    };
    shell::run(make.args([option, &number.to_string()]))?;

    let build = ["build", "--quiet", "--package=glm4v-tests", "--bin=parity"];
    let features = parity::features(args.backends.iter().map(String::as_str));
    shell::run(shell::cargo(build).args(["--features", &features]))?;
    let mut compare = Command::new(target.join("debug/parity"));
    compare.args(["--require", "--tolerance", TOLERANCE]);
    compare.args(["--backend", &args.backends.join(",")]);
    compare.args(args.case.is_none().then_some("--brief"));
    compare.arg("--goldens").arg(&work);
    shell::run(&mut compare).with_context(|| {
        let seed = args.seed;
        format!(
            "a case `seed-{seed}-case-K` differs from the reference; \
             run `cargo xtask differential --seed {seed} --case K` again; its files are in {}",
            work.display()
        )
    })
}
