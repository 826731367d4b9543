use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::{Toolchain, node_modules, web};
use crate::cross::program;
use crate::shell;

/// The names under which distributions install Chromium.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Arguments of `test-web`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    build: super::Args,
    /// Test the last build of `cargo xtask web`, instead of building
    #[arg(long)]
    built: bool,
    /// If Chromium, node or a compiler for wasm is missing: skip the tests and say so, instead of failing
    #[arg(long)]
    allow_missing: bool,
    /// Print how long the first image takes, instead of testing
    #[arg(long)]
    measure: bool,
    /// Save screenshots of the page in this folder
    #[arg(long, value_name = "DIR")]
    screenshots: Option<PathBuf>,
}

/// Encodes the goldens in the browser, on WebGPU and on the CPU, and operates the demo page.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Some(browser) = BROWSERS.into_iter().find_map(program) else {
        return missing(
            args,
            "Chromium: no program chromium, chromium-browser or google-chrome",
        );
    };
    if program("node").is_none() || program("npm").is_none() {
        return missing(args, "node and npm");
    }
    if !args.built {
        if let Err(error) = Toolchain::find() {
            return missing(args, &error.to_string());
        }
        super::run(&args.build)?;
    }
    node_modules()?;
    let site = shell::target_dir()?.join("browser/site");
    let mut node = Command::new("node");
    // One test at a time: on a machine without a GPU, WebGPU runs on the CPU and takes all of it.
    match args.measure {
        true => node.arg(web().join("tests/measure.mjs")),
        false => node
            .args(["--test", "--test-concurrency=1"])
            .args(test_files()?),
    };
    node.env("CHROMIUM", browser)
        .env("GLM4V_SITE", site)
        .env("GLM4V_GOLDENS", shell::root().join("tests/golden"));
    if let Some(dir) = &args.screenshots {
        node.env("GLM4V_SHOTS", std::path::absolute(dir)?);
    }
    shell::run(&mut node)
}

fn test_files() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in web().join("tests").read_dir()? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.mjs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn missing(args: &Args, what: &str) -> Result<()> {
    if args.allow_missing {
        eprintln!("\n*** SKIPPED: the browser tests. Missing: {what} ***\n");
        return Ok(());
    }
    bail!("the browser tests need {what}; install it, or skip the tests with --allow-missing")
}
