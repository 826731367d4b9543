use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{notices, python, shell};

/// What builds the package and runs its tests, with versions.
const TOOLS: &str = "crates/glm4v-python/tests/requirements.txt";
/// What the tests of integrations need besides the reference's packages.
const FULL_TOOLS: &str = "crates/glm4v-python/tests/requirements-full.txt";
/// The licences of the crates in a wheel. A published wheel has this file.
const NOTICES: &str = "crates/glm4v-python/python/glm4v/THIRD-PARTY.txt";
/// The largest wheel that is published, in bytes.
const LARGEST: u64 = 25_000_000;

/// Arguments of `test-python`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run all tests, with the packages of the reference's Python (torch, transformers), Ray, Daft and Jupyter
    #[arg(long)]
    full: bool,
    /// Build the package as it is published, which takes minutes. Check its size, and what calls cost
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
    ensure!(
        !args.release || site.join("glm4v/THIRD-PARTY.txt").exists(),
        "the wheel has no licences of the crates that it contains"
    );
    let mut test = Command::new(match args.full {
        true => python::beside_reference(&work.join("full"), &shell::root().join(FULL_TOOLS))?,
        false => venv,
    });
    test.env("PYTHONPATH", site);
    if args.release {
        test.env("GLM4V_RELEASE", "1");
    }
    test.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs"]);
    shell::run(test.arg(shell::root().join("crates/glm4v-python/tests")))
}

/// The wheel. Its name tells its version, so the folder has no other.
fn build(venv: &Path, wheels: &Path, release: bool) -> Result<PathBuf> {
    if wheels.exists() {
        fs::remove_dir_all(wheels)?;
    }
    if release {
        fs::write(shell::root().join(NOTICES), notices::of("glm4v-python")?)?;
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
    ensure!(
        !release || bytes <= LARGEST,
        "the wheel has {bytes} bytes, and {LARGEST} is the limit"
    );
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
