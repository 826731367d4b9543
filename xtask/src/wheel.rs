use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{python, shell};

/// What builds the package and runs its tests, with versions.
const TOOLS: &str = "crates/glm4v-python/tests/requirements.txt";

/// Arguments of `test-python`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run all tests with the reference's Python, which has torch and transformers
    #[arg(long)]
    full: bool,
    /// Build the package as it is published. That takes minutes
    #[arg(long)]
    release: bool,
}

/// Builds the wheel of the Python package, installs it into a directory of its own, and runs the package's tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    let work = shell::target_dir()?.join("python");
    let tools = work.join("tools");
    let venv = python::venv(&tools, &shell::root().join(TOOLS))?;
    let wheel = build(&venv, &work.join("wheels"), args.release)?;
    let site = work.join("site");
    install(&venv, &wheel, &site)?;
    let mut test = Command::new(match args.full {
        true => python::interpreter()?,
        false => venv.clone(),
    });
    let mut path = vec![site];
    if args.full {
        // The reference's Python has no pytest.
        path.push(testing(&venv, &work.join("testing"))?);
    }
    test.env("PYTHONPATH", env::join_paths(path)?);
    test.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs"]);
    shell::run(test.arg(shell::root().join("crates/glm4v-python/tests")))
}

/// The wheel. Its name tells its version, so the folder has no other.
fn build(venv: &Path, wheels: &Path, release: bool) -> Result<PathBuf> {
    if wheels.exists() {
        fs::remove_dir_all(wheels)?;
    }
    let mut build = Command::new(venv);
    build.args(["-m", "maturin", "build", "--quiet", "--locked", "--profile"]);
    build.arg(if release { "release" } else { "dev" });
    build.arg("--out").arg(wheels).current_dir(shell::root());
    shell::run(&mut build)?;
    let built = fs::read_dir(wheels)?
        .next()
        .context("maturin made no wheel")??;
    let bytes = built.metadata()?.len();
    println!("{}: {:.1} MB", built.path().display(), bytes as f64 / 1e6);
    Ok(built.path())
}

fn install(venv: &Path, wheel: &Path, site: &Path) -> Result<()> {
    if site.exists() {
        fs::remove_dir_all(site)?;
    }
    let mut install = Command::new(venv);
    install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]);
    shell::run(install.arg("--target").arg(site).arg(wheel))
}

/// A directory with pytest alone, for a Python with packages of its own.
fn testing(venv: &Path, dir: &Path) -> Result<PathBuf> {
    if !dir.exists() {
        let required = fs::read_to_string(shell::root().join(TOOLS))?;
        let pytest = required.lines().find(|line| line.starts_with("pytest"));
        let mut install = Command::new(venv);
        install.args(["-m", "pip", "install", "--quiet", "--target"]);
        shell::run(
            install
                .arg(dir)
                .arg(pytest.context("pytest is not required")?),
        )?;
    }
    Ok(dir.to_owned())
}
