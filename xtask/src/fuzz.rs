//! Builds and runs the fuzz targets of `fuzz/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{processor_seconds, wait};
use crate::{release, shell};
use report::Report;

mod report;

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Minutes of processor time for each target, or more with --until-quiet
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// Go on until so many of these minutes reached no new code, for at most three times --minutes
    #[arg(long, value_name = "MINUTES")]
    until_quiet: Option<f64>,
    /// Targets that run at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    jobs: usize,
    /// Run these targets only
    #[arg(long = "target", value_name = "NAME", value_delimiter = ',')]
    targets: Vec<String>,
    /// Without AddressSanitizer: twice as many runs, and no limit of single allocations
    #[arg(long)]
    no_sanitizer: bool,
    /// Run the seeds and the inputs that were found before once each, and stop
    #[arg(long, conflicts_with_all = ["minutes", "until_quiet", "write"])]
    seeds_only: bool,
    /// Check that the targets compile, and stop
    #[arg(long, conflicts_with_all = ["minutes", "targets", "seeds_only", "write"])]
    check: bool,
    /// Write the rows of these targets to the table in docs/reliability.md
    #[arg(long)]
    write: bool,
}

/// A target, and what it starts from.
struct Target {
    name: &'static str,
    /// A file of `fuzz/dictionaries`, without its extension. Targets of numbers have none.
    dictionary: Option<&'static str>,
    /// Folders of the tests whose files are seeds.
    seeds: &'static [&'static str],
    /// Most bytes of an input.
    max_len: u32,
    /// The feature of `fuzz/Cargo.toml` that it needs.
    feature: Option<&'static str>,
}

const IMAGES: [&str; 2] = ["tests/images", "tests/codecs"];

const fn target(
    name: &'static str,
    dictionary: Option<&'static str>,
    seeds: &'static [&'static str],
    max_len: u32,
) -> Target {
    Target {
        name,
        dictionary,
        seeds,
        max_len,
        feature: None,
    }
}

impl Target {
    const fn with(mut self, feature: &'static str) -> Self {
        self.feature = Some(feature);
        self
    }
}

const TARGETS: [Target; 18] = [
    target("config", Some("config"), &["fuzz/seeds/config"], 8192),
    target(
        "safetensors",
        Some("safetensors"),
        &["fuzz/seeds/safetensors"],
        8192,
    ),
    target("stream", None, &[], 4096),
    target("gguf", Some("gguf"), &["fuzz/seeds/gguf"], 8192),
    target("image", Some("image"), &IMAGES, 32768).with("images"),
    target("avif", Some("image"), &["tests/codecs"], 16384).with("images"),
    target("png", None, &[], 4096).with("images"),
    target("tiff", None, &[], 4096).with("images"),
    target("exif", Some("image"), &["fuzz/seeds/exif"], 4096).with("images"),
    target(
        "animation",
        Some("image"),
        &["crates/glm4v-preprocess/tests/media", "tests/codecs"],
        32768,
    )
    .with("images"),
    target("probe", Some("probe"), &["fuzz/seeds/probe"], 16384).with("images"),
    target("sampling", None, &[], 256).with("images"),
    target("resize", None, &[], 256).with("images"),
    target("hub", Some("hub"), &[], 4096),
    target("job", Some("job"), &[], 4096).with("jobs"),
    target("cache", None, &[], 2048).with("jobs"),
    target("lists", Some("lists"), &["fuzz/seeds/lists"], 16384).with("jobs"),
    target("kernels", None, &[], 64),
];

/// Memory of a run in MiB. AddressSanitizer takes two thirds of it.
const MEMORY_MIB: u32 = 2048;
/// The largest single allocation in MiB.
const ALLOCATION_MIB: u32 = 512;
/// Seconds of one input.
const SECONDS: u32 = 25;

const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// What `cargo fuzz` passes to rustc.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
const SANITIZER: &str = " -Zsanitizer=address";

/// With `--until-quiet`, how many times `--minutes` a target runs at most.
const MOST: f64 = 3.0;

/// No run is shorter, in minutes: a run begins with all inputs that were kept before.
const SHORTEST: f64 = 0.5;
/// How often the processor time of a target is read.
const POLL: Duration = Duration::from_millis(200);

/// Builds the targets, and runs them.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.check {
        return check();
    }
    ensure!(args.jobs > 0, "--jobs must be at least 1");
    ensure!(
        args.until_quiet.is_none_or(|minutes| minutes > 0.0),
        "--until-quiet must be above 0"
    );
    let chosen = chosen(&args.targets)?;
    let programs = build(args, &chosen)?;
    let table = shell::root().join("docs/reliability.md");
    let left = Mutex::new(chosen.into_iter());
    let failed = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        let next = || left.lock().expect("no thread panics").next();
        while let Some(target) = next() {
            let report = fuzz_until_quiet(target, &programs, args)?;
            // Held while the row is written, so that one thread writes at a time.
            let mut failed = failed.lock().expect("no thread panics");
            let Some(report) = report else {
                failed.push(target.name);
                continue;
            };
            println!("{}", report.row());
            if args.write {
                // All of them take hours, so each row is written at once.
                release::replace_rows(&table, "fuzz", report::HEAD, &[report.row()])?;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.jobs).map(|_| scope.spawn(work)).collect();
        let mut joined = threads.into_iter().map(|thread| thread.join());
        joined.try_for_each(|ended| ended.expect("no thread panics"))
    })?;
    let failed = failed.into_inner().expect("no thread panics");
    if !failed.is_empty() {
        bail!(
            "{} failed; the inputs are in fuzz/artifacts; run a target with one of them to repeat its failure",
            failed.join(", ")
        );
    }
    Ok(())
}

/// Type-checks the targets. No other check compiles them.
fn check() -> Result<()> {
    let mut cargo = shell::cargo(["check", "--quiet", "--manifest-path=fuzz/Cargo.toml"]);
    cargo
        .arg("--features=images,jobs")
        .env("RUSTFLAGS", "--cfg fuzzing")
        .env("CARGO_TARGET_DIR", shell::target_dir()?.join("fuzz"));
    shell::run(&mut cargo)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    let known = |name: &String| TARGETS.iter().any(|target| target.name == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        let all = TARGETS.each_ref().map(|target| target.name);
        bail!(
            "there is no target `{name}`; the targets are: {}",
            all.join(", ")
        );
    }
    let is_chosen =
        |target: &&Target| names.is_empty() || names.iter().any(|name| name == target.name);
    Ok(TARGETS.iter().filter(is_chosen).collect())
}

/// Builds the programs of the targets. Returns their folder.
fn build(args: &Args, targets: &[&Target]) -> Result<PathBuf> {
    let target_dir = shell::target_dir()?.join("fuzz");
    let mut flags = COVERAGE.to_owned();
    if !args.no_sanitizer {
        flags += SANITIZER;
    }
    let mut cargo = shell::cargo(["build", "--release", "--manifest-path=fuzz/Cargo.toml"]);
    cargo.arg(format!("--target={TRIPLE}"));
    for target in targets {
        cargo.arg(format!("--bin={}", target.name));
        let feature = target
            .feature
            .map(|feature| format!("--features={feature}"));
        cargo.args(feature);
    }
    // The flags of sanitizers are unstable. The compiler is the stable one.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags);
    shell::run(cargo.env("CARGO_TARGET_DIR", &target_dir))?;
    Ok(target_dir.join(TRIPLE).join("release"))
}

/// Runs one target again and again, until it has had its minutes and is quiet. `None` if an input made it fail.
fn fuzz_until_quiet(
    target: &'static Target,
    programs: &Path,
    args: &Args,
) -> Result<Option<Report>> {
    let Some(mut report) = fuzz(target, programs, args, args.minutes)? else {
        return Ok(None);
    };
    // A process that shares its core has had less than the minutes of the clock.
    while let Some(minutes) = minutes_left(args, &report) {
        let Some(later) = fuzz(target, programs, args, minutes)? else {
            return Ok(None);
        };
        report = report.then(later);
    }
    Ok(Some(report))
}

/// The minutes of the next run of a target. `None` if it has run enough.
fn minutes_left(args: &Args, report: &Report) -> Option<f64> {
    if args.seeds_only {
        return None;
    }
    let minutes = |seconds: u64| seconds as f64 / 60.0;
    let used = minutes(report.seconds);
    let to_be_quiet = match args.until_quiet {
        Some(quiet) if used < args.minutes * MOST => quiet - minutes(report.quiet),
        Some(_) | None => 0.0,
    };
    let next = to_be_quiet.max(args.minutes - used);
    (next > 0.0).then_some(next.max(SHORTEST))
}

/// Runs one target. `None` if an input made it fail.
fn fuzz(
    target: &'static Target,
    programs: &Path,
    args: &Args,
    minutes: f64,
) -> Result<Option<Report>> {
    let fuzz = shell::root().join("fuzz");
    let (corpus, artifacts) = (
        fuzz.join("corpus").join(target.name),
        fuzz.join("artifacts").join(target.name),
    );
    for dir in [&corpus, &artifacts] {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let log = artifacts.join("log");
    let mut command = Command::new(programs.join(target.name));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(format!("-max_len={}", target.max_len));
    command.arg(format!("-rss_limit_mb={MEMORY_MIB}"));
    if !args.no_sanitizer {
        command.arg(format!("-malloc_limit_mb={ALLOCATION_MIB}"));
    }
    command.arg(format!("-timeout={SECONDS}"));
    if target.seeds.is_empty() {
        // Otherwise libFuzzer begins with short inputs, and slow targets never see long ones.
        command.arg("-len_control=0");
    }
    command.args(["-print_final_stats=1", "-verbosity=1"]);
    let seconds = (minutes * 60.0) as u64;
    command.arg(match args.seeds_only {
        true => "-runs=0".to_owned(),
        false => format!("-max_total_time={seconds}"),
    });
    if let Some(name) = target.dictionary {
        let path = fuzz.join("dictionaries").join(name).with_extension("dict");
        command.arg(format!("-dict={}", path.display()));
    }
    command.arg(&corpus);
    command.args(target.seeds.iter().map(|dir| shell::root().join(dir)));
    let regressions = fuzz.join("regressions").join(target.name);
    command.args(regressions.is_dir().then_some(regressions));
    eprintln!("$ {command:?} (log: {})", log.display());
    let file = fs::File::create(&log).with_context(|| log.display().to_string())?;
    let mut process = command
        // A list may name files of the working directory, and the standard input.
        .current_dir(&artifacts)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        // A leak is not a hostile input's doing: threads of pools last as long as the process.
        .env("ASAN_OPTIONS", "detect_leaks=0:quarantine_size_mb=64")
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    let mut used = 0.0;
    let look = |id| used = processor_seconds(id).unwrap_or(used);
    let status = wait(&mut process, POLL, look)?;
    let text = fs::read(&log).with_context(|| log.display().to_string())?;
    let text = String::from_utf8_lossy(&text);
    if !status.success() {
        let last: Vec<&str> = text.lines().rev().take(60).collect();
        for line in last.iter().rev() {
            eprintln!("{line}");
        }
        return Ok(None);
    }
    Report::read(target.name, &text, used).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_program_and_its_files() {
        let root = shell::root();
        let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        for target in &TARGETS {
            assert!(
                manifest.contains(&format!("name = \"{}\"", target.name)),
                "{}",
                target.name
            );
            let dictionary = target
                .dictionary
                .map(|name| format!("fuzz/dictionaries/{name}.dict"));
            for path in target.seeds.iter().copied().chain(dictionary.as_deref()) {
                assert!(root.join(path).exists(), "{path}");
            }
        }
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }
}
