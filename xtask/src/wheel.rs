use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{notices, python, shell};

/// What builds the package and runs its tests, with versions.
const TOOLS: &str = "crates/glm4v-python/tests/requirements.txt";
/// What the tests of integrations need besides the reference's packages.
const FULL_TOOLS: &str = "crates/glm4v-python/tests/requirements-full.txt";
/// What links a wheel against the libraries of an older system.
const ZIG: &str = "crates/glm4v-python/tests/requirements-zig.txt";
/// The oldest Linux that a published wheel runs on: with glibc 2.28, such as Debian 10 and Red Hat Enterprise Linux 8.
const MANYLINUX: &str = "manylinux_2_28";
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
    /// As --release, with a wheel for every Linux with glibc 2.28 or later. It is linked with zig, which comes from PyPI
    #[arg(long)]
    manylinux: bool,
}

/// How the wheel is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    Dev,
    Release,
    Manylinux,
}

/// Builds the wheel of the Python package, installs it into a directory of its own, and runs the package's tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    let build = match (args.manylinux, args.release) {
        (true, _) => Build::Manylinux,
        (false, true) => Build::Release,
        (false, false) => Build::Dev,
    };
    let work = shell::target_dir()?.join("python");
    let tools = work.join("tools");
    let venv = python::venv(&tools, &shell::root().join(TOOLS))?;
    let wheel = build.wheel(&venv, &work)?;
    let site = work.join("site");
    install(&venv, &wheel, &site)?;
    ensure!(
        build == Build::Dev || site.join("glm4v/THIRD-PARTY.txt").exists(),
        "the wheel has no licences of the crates that it contains"
    );
    let mut test = Command::new(match args.full {
        true => python::beside_reference(&work.join("full"), &shell::root().join(FULL_TOOLS))?,
        false => venv,
    });
    test.env("PYTHONPATH", site);
    if build != Build::Dev {
        test.env("GLM4V_RELEASE", "1");
    }
    test.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs"]);
    shell::run(test.arg(shell::root().join("crates/glm4v-python/tests")))
}

/// The command of a Python that has the package. It is built with optimisation.
pub(crate) fn python() -> Result<Command> {
    let work = shell::target_dir()?.join("python");
    let venv = python::venv(&work.join("tools"), &shell::root().join(TOOLS))?;
    let site = work.join("site");
    install(&venv, &Build::Release.wheel(&venv, &work)?, &site)?;
    let mut python = Command::new(venv);
    python.env("PYTHONPATH", site);
    Ok(python)
}

impl Build {
    /// The wheel. Its name tells its version, so its folder has no other.
    fn wheel(self, venv: &Path, work: &Path) -> Result<PathBuf> {
        let wheels = work.join("wheels");
        if wheels.exists() {
            fs::remove_dir_all(&wheels)?;
        }
        if self != Self::Dev {
            fs::write(shell::root().join(NOTICES), notices::of("glm4v-python")?)?;
        }
        let mut maturin = self.maturin(venv, work)?;
        maturin.arg("--out").arg(&wheels).current_dir(shell::root());
        shell::run(&mut maturin)?;
        let built = fs::read_dir(wheels)?
            .next()
            .context("maturin made no wheel")??;
        let bytes = built.metadata()?.len();
        println!("{}: {:.1} MB", built.path().display(), bytes as f64 / 1e6);
        ensure!(
            self == Self::Dev || bytes <= LARGEST,
            "the wheel has {bytes} bytes, and {LARGEST} is the limit"
        );
        Ok(built.path())
    }

    fn maturin(self, venv: &Path, work: &Path) -> Result<Command> {
        let mut maturin = Command::new(venv);
        maturin.args(["-m", "maturin", "build", "--quiet", "--locked", "--profile"]);
        maturin.arg(if self == Self::Dev { "dev" } else { "release" });
        if self == Self::Manylinux {
            let zig = python::venv(&work.join("zig"), &shell::root().join(ZIG))?;
            // maturin looks for the program `zig`, and then for the package of the first `python3`.
            let first = zig.parent().context("a Python is in a folder")?.to_owned();
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path =
                std::env::join_paths([first].into_iter().chain(std::env::split_paths(&path)))?;
            maturin.env("PATH", path);
            maturin.args(["--zig", "--compatibility", MANYLINUX]);
        }
        Ok(maturin)
    }
}

fn install(venv: &Path, wheel: &Path, site: &Path) -> Result<()> {
    if site.exists() {
        fs::remove_dir_all(site)?;
    }
    let mut install = Command::new(venv);
    install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]);
    shell::run(install.arg("--target").arg(site).arg(wheel))
}
