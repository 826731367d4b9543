use anyhow::Result;

use crate::{deps, parity, shell, unsafe_blocks};

/// Arguments of `ci`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run the checks of a release too: build each package alone, check the fuzz targets, compare random towers with transformers,
    /// compare and time the full-size tower, check the memory table, and test the Python package with its integrations. This needs
    /// Python
    #[arg(long)]
    full: bool,
}

/// The features with which everything but the last tests is checked and built. One set, so that nothing is built twice.
const FEATURES: &str = "glm4v-tests/wgpu";
/// The same, and the browser's crate. It compiles for the host as well, for the lints.
const FEATURES_AND_WEB: &str = "glm4v-tests/wgpu,glm4v-web/host";
/// Verbs of `cargo xtask` that take longer.
const FULL: [&[&str]; 7] = [
    &["fuzz", "--check"],
    &["differential"],
    &["test-parity", "--full"],
    &["test-parity", "--full", "--dtype", "bf16"],
    &["bench", "--size=336x336", "--batch=1", "--repeat=1"],
    &["memory", "--quick"],
    &["test-python", "--full", "--release"],
];

/// Runs the checks, cheapest first. The tests that need no GPU come after them: `cargo test --workspace`.
pub(crate) fn run(args: &Args) -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    deps::check()?;
    unsafe_blocks::check()?;
    deny()?;
    lints()?;
    documentation()?;
    packages(false)?;
    parity::run(&parity::Args::default())?;
    gpu_tests()?;
    cuda()?;
    if args.full {
        packages(true)?;
        for verb in FULL {
            cargo(&[&["xtask"], verb].concat())?;
        }
    }
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<()> {
    shell::run(&mut shell::cargo(arguments))
}

/// Licenses, sources and versions of dependencies. The workflow checks advisories as well: that needs a download.
fn deny() -> Result<()> {
    let mut deny = shell::cargo(["deny", "--all-features", "check", "--hide-inclusion-graph"]);
    shell::run(deny.args(["licenses", "bans", "sources"]))
}

fn lints() -> Result<()> {
    let workspace = ["clippy", "--quiet", "--workspace", "--all-targets"];
    let mut clippy = shell::cargo(workspace);
    clippy.args(["--features", FEATURES_AND_WEB, "--", "-D", "warnings"]);
    shell::run(&mut clippy)
}

fn documentation() -> Result<()> {
    let mut doc = shell::cargo(["doc", "--quiet", "--workspace", "--no-deps"]);
    doc.args(["--features", FEATURES_AND_WEB]);
    shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Tests that run on wgpu. The others run without its features, as a reader of the README runs them.
fn gpu_tests() -> Result<()> {
    let mut test = shell::cargo(["test", "--quiet", "--workspace", "--tests"]);
    test.args(["--features", FEATURES, "--", "gpu", "device"]);
    shell::run(&mut test)
}

/// Checks types only. The build script of burn's CUDA backend downloads a compiler, except on docs.rs.
fn cuda() -> Result<()> {
    let mut check = shell::cargo(["check", "--quiet", "--package=glm4v-cli", "--features=cuda"]);
    shell::run(check.env("DOCS_RS", "1"))
}

/// Packs the crates for crates.io, and, if told to, builds each from its package. That builds all dependencies again.
fn packages(build: bool) -> Result<()> {
    let mut package = shell::cargo(["package", "--quiet", "--workspace", "--allow-dirty"]);
    package.args((!build).then_some("--no-verify"));
    for private in ["glm4v-python", "glm4v-tests", "glm4v-web", "xtask"] {
        package.args(["--exclude", private]);
    }
    shell::run(&mut package)
}
