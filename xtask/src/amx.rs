mod traps;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cross::{self, Need};
use crate::shell;

const NEEDS: [Need; 2] = [
    Need::Program("gcc", "gcc"),
    Need::Program("objdump", "binutils"),
];
/// Golden cases: 14-pixel patches, 16-pixel patches, and GLM-OCR.
const CASES: &str = "patch14-f32,patch16-merge3-tps1,glm-ocr";
/// The kernels are compiled as in a release, since the emulator is slow.
const OPTIMISED: &str = "profile.dev.package.glm4v-kernels.opt-level=3";

/// The status that the kernels have to find without a fault.
const ON: &str = "On with int8";
/// What is emulated or set, and the status that the kernels have to find then.
const FAULTS: [(&str, &str, &str); 6] = [
    ("GLM4V_EMULATE", "old-system", "NotSaved without int8"),
    ("GLM4V_EMULATE", "denied", "Denied without int8"),
    ("GLM4V_EMULATE", "wrong", "Wrong without int8"),
    ("GLM4V_EMULATE", "wrong-int8", "On without int8"),
    ("GLM4V_EMULATE", "no-int8", "On without int8"),
    ("GLM4V_AMX", "0", "TurnedOff without int8"),
];
/// The tests that run with each of them.
const FAULT_TESTS: [&str; 4] = [
    "tile::tiles",
    "tile::amx_text",
    "the_bias_is_added",
    "an_outlier",
];

/// Arguments of `test-amx`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the tests of the kernels. Otherwise three golden cases are also compared with transformers, in bf16 and in int8
    #[arg(long)]
    kernels: bool,
    /// If the machine cannot run the emulator: skip the tests and say so, instead of failing
    #[arg(long)]
    allow_missing: bool,
}

/// Tests the AMX kernels on an emulator.
pub(crate) fn run(args: &Args) -> Result<()> {
    match missing()? {
        Some(missing) if args.allow_missing => {
            eprintln!("\n*** SKIPPED: the tests on AMX. Missing: {missing} ***\n");
            return Ok(());
        }
        Some(missing) => {
            bail!("the tests on AMX need {missing}; or skip them with --allow-missing")
        }
        None => {}
    }
    let work = shell::target_dir()?.join("amx");
    std::fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
    let emulator = Emulator::build(&work)?;
    let tests = emulator.prepare(&kernel_tests()?)?;
    shell::run(tests.start(&emulator, ON).arg("--quiet"))?;
    for (name, value, status) in FAULTS {
        eprintln!("{name}={value}: {status}");
        let mut test = tests.start(&emulator, status);
        test.env(name, value).arg("--quiet");
        shell::run(test.args(FAULT_TESTS))?;
    }
    if args.kernels {
        return Ok(());
    }
    let parity = emulator.prepare(&parity()?)?;
    for dtype in ["bf16", "int8"] {
        let mut compare = parity.start(&emulator, ON);
        compare.args(["--backend=flex", "--require", "--dtype", dtype]);
        shell::run(compare.args(["--case", CASES]))?;
    }
    Ok(())
}

/// What this machine lacks.
fn missing() -> Result<Option<String>> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok(Some("Linux on x86-64".to_owned()));
    }
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag| processor.split_whitespace().any(|found| found == flag);
    if !(has("avx2") && has("fma")) {
        return Ok(Some("a processor with AVX2".to_owned()));
    }
    cross::missing(&NEEDS)
}

/// The test program of the kernels.
fn kernel_tests() -> Result<PathBuf> {
    let arguments = [
        "test",
        "--package=glm4v-kernels",
        "--lib",
        "--no-run",
        "--quiet",
    ];
    let mut build = shell::cargo(arguments);
    build.args(["--config", OPTIMISED, "--message-format=json"]);
    let messages = shell::output(&mut build)?;
    let mut program = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    program.next_back().context("cargo built no test program")
}

/// The program that compares goldens.
fn parity() -> Result<PathBuf> {
    let mut build = shell::cargo(["build", "--quiet", "--bin=parity", "--no-default-features"]);
    build.args(["--package=glm4v-tests", "--features=glm4v-tests/flex"]);
    shell::run(&mut build)?;
    Ok(shell::target_dir()?.join("debug/parity"))
}

/// The library that emulates AMX.
struct Emulator {
    library: PathBuf,
    work: PathBuf,
}

/// A program whose processor seems to have AMX.
struct Emulated(PathBuf);

impl Emulator {
    fn build(work: &Path) -> Result<Self> {
        let library = work.join("emulator.so");
        let source = shell::root().join("xtask/amx/emulator.c");
        let options = ["-O2", "-Wall", "-Wextra", "-Werror"];
        shell::compile_library(&source, &library, &options)?;
        Ok(Self {
            library,
            work: work.to_owned(),
        })
    }

    /// A copy of a program that asks the emulator what the processor is.
    fn prepare(&self, program: &Path) -> Result<Emulated> {
        let name = program.file_name().context("a program has a name")?;
        let copy = self.work.join(name);
        let traps = traps::copy(program, &copy)?;
        ensure!(traps > 0, "{}: no CPUID was found", program.display());
        Ok(Emulated(copy))
    }
}

impl Emulated {
    /// Starts the program. Its tests fail unless AMX has `status`.
    fn start(&self, emulator: &Emulator, status: &str) -> Command {
        let mut command = Command::new(&self.0);
        command.current_dir(shell::root());
        command.env("LD_PRELOAD", &emulator.library);
        command.env("GLM4V_TEST_AMX", status);
        command
    }
}
