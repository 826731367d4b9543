use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::{node_modules, web};
use crate::shell;

/// The names under which distributions install Chromium.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Arguments of `test-web`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    build: super::Args,
    /// Try what `cargo xtask web` built last, instead of building
    #[arg(long)]
    built: bool,
    /// Skip, aloud, where there is no Chromium or no node, instead of failing
    #[arg(long)]
    allow_missing: bool,
    /// Keep pictures of the page in this folder
    #[arg(long, value_name = "DIR")]
    screenshots: Option<PathBuf>,
}

/// Encodes the goldens in the browser, on WebGPU and on the CPU, and drives the demo page as a person would.
pub(crate) fn run(args: &Args) -> Result<()> {
    let Some(browser) = BROWSERS.into_iter().find(|name| exists(name)) else {
        return missing(
            args,
            "Chromium: no program chromium, chromium-browser or google-chrome",
        );
    };
    if !exists("node") || !exists("npm") {
        return missing(args, "node and npm");
    }
    if !args.built {
        super::run(&args.build)?;
    }
    node_modules()?;
    let site = shell::target_dir()?.join("web/site");
    let mut node = Command::new("node");
    node.args(["--test", "--test-concurrency=1", "tests/"])
        .current_dir(web())
        .env("GLM4V_BROWSER", browser)
        .env("GLM4V_SITE", site)
        .env("GLM4V_GOLDENS", shell::root().join("tests/golden"))
        .env("GLM4V_IMAGES", shell::root().join("tests/images"));
    if let Some(dir) = &args.screenshots {
        node.env("GLM4V_SHOTS", std::path::absolute(dir)?);
    }
    shell::run(&mut node)
}

fn missing(args: &Args, what: &str) -> Result<()> {
    if args.allow_missing {
        eprintln!("SKIPPED: the browser tests, for want of {what}");
        return Ok(());
    }
    bail!("the browser tests need {what}; --allow-missing skips them")
}

fn exists(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version");
    command.output().is_ok_and(|output| output.status.success())
}
