//! Builds for other processors and systems.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

/// What a build or a test needs, and how to install it.
pub(crate) enum Need {
    /// A program, and its Debian package
    Program(&'static str, &'static str),
    /// A file, and its Debian package
    File(&'static str, &'static str),
    /// A target of rustc
    Target(&'static str),
}

impl Need {
    /// How to install what is missing. Asks rustup to add a missing target.
    fn missing(&self) -> Result<Option<String>> {
        Ok(match *self {
            Self::Program(name, package) => {
                let missing = program(name).is_none();
                missing.then(|| format!("{name} (Debian: apt-get install {package})"))
            }
            Self::File(path, package) => {
                let missing = !PathBuf::from(path).exists();
                missing.then(|| format!("{path} (Debian: apt-get install {package})"))
            }
            Self::Target(target) => {
                let missing = !has_target(target)?;
                missing.then(|| format!("the target {target} (rustup target add {target})"))
            }
        })
    }
}

/// How to install everything that is missing, or nothing.
pub(crate) fn missing(needs: &[Need]) -> Result<Option<String>> {
    let mut list = Vec::new();
    for need in needs {
        list.extend(need.missing()?);
    }
    Ok((!list.is_empty()).then(|| list.join(", ")))
}

fn has_target(target: &str) -> Result<bool> {
    let mut rustc = Command::new("rustc");
    let output = rustc.args(["--print", "sysroot"]).output();
    let sysroot = String::from_utf8(output.context("rustc")?.stdout)?;
    let libraries = PathBuf::from(sysroot.trim()).join("lib/rustlib");
    let added = || {
        let mut rustup = Command::new("rustup");
        let status = rustup.args(["target", "add", target]).status();
        status.is_ok_and(|status| status.success())
    };
    Ok(libraries.join(target).is_dir() || added())
}

/// The path of a program that can be started by its name.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let file = |folder: PathBuf| {
        folder
            .join(name)
            .with_extension(std::env::consts::EXE_EXTENSION)
    };
    let mut files = std::env::split_paths(&folders).map(file);
    files.find(|file| file.is_file())
}
