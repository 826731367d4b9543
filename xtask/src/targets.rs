use anyhow::{Result, bail};

use crate::cross::{self, Need};
use crate::shell;

/// Arguments of `test-targets`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// If a compiler for a system is missing: skip the system and say so, instead of failing
    #[arg(long)]
    allow_missing: bool,
}

/// A system, and the crates that can be checked for it on Linux.
struct System {
    target: &'static str,
    needs: &'static [Need],
    packages: &'static [&'static str],
}

/// The crates without C code. `glm4v-hub` needs a C compiler for its encryption: there is one for Windows, but macOS needs
/// Apple's.
const SYSTEMS: [System; 2] = [
    System {
        target: "x86_64-pc-windows-gnu",
        needs: &[
            Need::Target("x86_64-pc-windows-gnu"),
            Need::Program("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64"),
        ],
        packages: &[
            "glm4v-collect",
            "glm4v-config",
            "glm4v-gguf",
            "glm4v-hub",
            "glm4v-kernels",
            "glm4v-preprocess",
            "glm4v-shards",
        ],
    },
    System {
        target: "aarch64-apple-darwin",
        needs: &[Need::Target("aarch64-apple-darwin")],
        packages: &[
            "glm4v-collect",
            "glm4v-config",
            "glm4v-gguf",
            "glm4v-kernels",
            "glm4v-preprocess",
            "glm4v-shards",
        ],
    },
];

/// Type-checks crates for Windows and macOS.
pub(crate) fn run(args: &Args) -> Result<()> {
    for system in &SYSTEMS {
        let target = system.target;
        match cross::missing(system.needs)? {
            Some(missing) if args.allow_missing => {
                eprintln!("\n*** SKIPPED: the check for {target}. Missing: {missing} ***\n");
            }
            Some(missing) => {
                bail!(
                    "the check for {target} needs {missing}; install it, or skip it with --allow-missing"
                )
            }
            None => check(system)?,
        }
    }
    Ok(())
}

/// Without the feature `libjpeg`, which is C code.
fn check(system: &System) -> Result<()> {
    let mut check = shell::cargo(["check", "--quiet", "--no-default-features"]);
    check.args(["--target", system.target]);
    for package in system.packages {
        check.args(["--package", package]);
    }
    shell::run(&mut check)
}
