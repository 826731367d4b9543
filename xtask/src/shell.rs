use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        // cargo sets it at run time, too. Two checkouts that share a build folder share this program, so that the folder it was
        // compiled in may be the other one.
        let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        xtask.parent().unwrap_or(&xtask).to_owned()
    });
    &ROOT
}

/// The cargo that runs this program.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Prints `command` and runs it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", display(command));
    let status = command.status().with_context(|| display(command))?;
    if !status.success() {
        bail!("{}: {status}", display(command));
    }
    Ok(())
}

/// Prints `command`, runs it, and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    eprintln!("$ {}", display(command));
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| display(command))?;
    if !output.status.success() {
        bail!("{}: {}", display(command), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Compiles a C file to a shared library. `options` are further options of gcc.
pub(crate) fn compile_library(source: &Path, library: &Path, options: &[&str]) -> Result<()> {
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-o"])
        .arg(library)
        .arg(source);
    // Libraries that the source needs stand after it.
    run(gcc.args(options))
}

/// The output of `cargo metadata` for the packages of the workspace.
pub(crate) fn metadata() -> Result<Value> {
    let mut command = cargo(["metadata", "--no-deps", "--format-version=1"]);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.context("cargo metadata")?;
    if !output.status.success() {
        bail!("{}: {}", display(&command), output.status);
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The folder of cargo's build outputs.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    let dir = metadata["target_directory"].as_str();
    Ok(dir
        .context("cargo metadata printed no target_directory")?
        .into())
}

fn display(command: &Command) -> String {
    let parts = std::iter::once(command.get_program()).chain(command.get_args());
    let parts: Vec<_> = parts.map(OsStr::to_string_lossy).collect();
    parts.join(" ")
}
