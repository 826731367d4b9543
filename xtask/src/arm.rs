use std::process::Command;

use anyhow::{Result, bail};

use crate::cross::{self, Need};
use crate::{release, shell};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
/// The folder of the C library for ARM64.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
const NEEDS: [Need; 4] = [
    Need::Target(TARGET),
    Need::Program(LINKER, "gcc-aarch64-linux-gnu"),
    Need::File(
        "/usr/aarch64-linux-gnu/lib/libc.so",
        "libc6-dev-arm64-cross",
    ),
    Need::Program("qemu-aarch64", "qemu-user"),
];

/// The processors that qemu emulates, and what the kernels have to find: the instruction set, and the instructions for integers.
/// `max` has everything that qemu knows.
const PROCESSORS: [(&str, &str, &str); 3] = [
    ("cortex-a57", "neon", "Portable"),
    ("neoverse-n1", "neon", "NeonDot"),
    ("max", "neonbf16", "NeonMatrix"),
];
/// The kernels are compiled as in a release, since qemu is slow.
const OPTIMISED: &str = "profile.dev.package.glm4v-kernels.opt-level=3";
/// Golden cases of `--programs`: 14-pixel patches, 16-pixel patches, and GLM-OCR.
const CASES: &str = "patch14-f32,patch16-merge3-tps1,glm-ocr";

/// Arguments of `test-arm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Then build the programs, compare three golden cases with transformers, and encode an image. The build takes as long as
    /// that of the whole workspace
    #[arg(long)]
    programs: bool,
    /// If a cross compiler or qemu is missing: skip the tests and say so, instead of failing
    #[arg(long)]
    allow_missing: bool,
}

/// Tests the CPU kernels on emulated ARM64 processors.
pub(crate) fn run(args: &Args) -> Result<()> {
    match cross::missing(&NEEDS)? {
        Some(missing) if args.allow_missing => {
            eprintln!("\n*** SKIPPED: the tests on ARM64. Missing: {missing} ***\n");
            return Ok(());
        }
        Some(missing) => {
            bail!(
                "the tests on ARM64 need {missing}; install it, or skip them with --allow-missing"
            )
        }
        None => {}
    }
    for (processor, isa, dot) in PROCESSORS {
        let mut test = cargo(&["test", "--quiet", "--package=glm4v-kernels", "--lib"]);
        test.args(["--config", OPTIMISED]);
        test.env(variable("RUNNER"), emulator(processor).join(" "));
        test.env("GLM4V_TEST_ISA", isa);
        test.env("GLM4V_TEST_DOT", dot);
        eprintln!("{processor}: {isa}, {dot}");
        shell::run(&mut test)?;
    }
    if args.programs { programs() } else { Ok(()) }
}

fn programs() -> Result<()> {
    let mut build = cargo(&["build", "--quiet", "--bins", "--no-default-features"]);
    build.args(["--package=glm4v-tests", "--package=glm4v-cli"]);
    build.args(["--features=glm4v-tests/flex,glm4v-cli/flex"]);
    shell::run(&mut build)?;
    let built = shell::target_dir()?.join(TARGET).join("debug");
    let start = |processor: &str, program: &str| {
        let [qemu, arguments @ ..] = emulator(processor);
        let mut command = Command::new(qemu);
        command.args(arguments).arg(built.join(program));
        command.current_dir(shell::root());
        command
    };
    for (processor, ..) in PROCESSORS {
        for dtype in ["f32", "bf16", "int8"] {
            let mut parity = start(processor, "parity");
            parity.args(["--backend=flex", "--require", "--dtype", dtype]);
            shell::run(parity.args(["--case", CASES]))?;
        }
        let mut encode = start(processor, "glm4v");
        encode.arg("encode").arg(release::image());
        encode.args(["--preset=tiny", "--device=flex", "-o"]);
        encode.arg(built.join(format!("{processor}.safetensors")));
        shell::run(&mut encode)?;
    }
    Ok(())
}

/// A command of cargo for ARM64.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = shell::cargo(arguments);
    command.args(["--target", TARGET]);
    command.env(variable("LINKER"), LINKER);
    command
}

/// The variable of cargo's setting for ARM64.
fn variable(setting: &str) -> String {
    let target = TARGET.to_uppercase().replace('-', "_");
    format!("CARGO_TARGET_{target}_{setting}")
}

fn emulator(processor: &str) -> [&str; 5] {
    ["qemu-aarch64", "-cpu", processor, "-L", LIBRARIES]
}
