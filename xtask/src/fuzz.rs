//! Builds and runs the fuzz targets of `fuzz/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::shell;

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Minutes for each target
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// Run these targets only
    #[arg(long = "target", value_name = "NAME", value_delimiter = ',')]
    targets: Vec<String>,
    /// Without AddressSanitizer: twice as many runs, and no limit of single allocations
    #[arg(long)]
    no_sanitizer: bool,
    /// Run the seeds and the inputs that were found before once each, and stop
    #[arg(long, conflicts_with = "minutes")]
    seeds_only: bool,
    /// Check that the targets compile, and stop
    #[arg(long, conflicts_with_all = ["minutes", "targets", "seeds_only", "write"])]
    check: bool,
    /// Write the table to docs/reliability.md
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

/// What libFuzzer reports of a target.
struct Report {
    name: &'static str,
    runs: u64,
    edges: u64,
    features: u64,
    inputs: u64,
    seconds: u64,
    /// Seconds since the last input that reached new code.
    quiet: u64,
}

/// Builds the targets, and runs them one after another.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.check {
        return check();
    }
    let chosen = chosen(&args.targets)?;
    let programs = build(args, &chosen)?;
    let mut reports = Vec::new();
    let mut failed = Vec::new();
    for target in chosen {
        match fuzz(target, &programs, args)? {
            Some(report) => {
                println!("{}", row(&report));
                reports.push(report);
            }
            None => failed.push(target.name),
        }
    }
    if !failed.is_empty() {
        bail!(
            "{} failed; the inputs are in fuzz/artifacts; run a target with one of them to repeat its failure",
            failed.join(", ")
        );
    }
    if args.write {
        let rows: Vec<String> = reports.iter().map(row).collect();
        let path = shell::root().join("docs/reliability.md");
        crate::release::replace_between_marks(&path, "fuzz", &table(&rows))?;
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

/// Runs one target. `None` if an input made it fail.
fn fuzz(target: &'static Target, programs: &Path, args: &Args) -> Result<Option<Report>> {
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
    let seconds = (args.minutes * 60.0) as u64;
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
    let status = command
        // A list may name files of the working directory, and the standard input.
        .current_dir(&artifacts)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        // A leak is not a hostile input's doing: threads of pools last as long as the process.
        .env("ASAN_OPTIONS", "detect_leaks=0:quarantine_size_mb=64")
        .status()
        .with_context(|| format!("{command:?}"))?;
    let text = fs::read(&log).with_context(|| log.display().to_string())?;
    let text = String::from_utf8_lossy(&text);
    if !status.success() {
        let last: Vec<&str> = text.lines().rev().take(60).collect();
        for line in last.iter().rev() {
            eprintln!("{line}");
        }
        return Ok(None);
    }
    read(target.name, &text).map(Some)
}

/// Reads libFuzzer's log.
fn read(name: &'static str, log: &str) -> Result<Report> {
    let stat = |key: &str| -> u64 {
        let line = log.lines().rev().find_map(|line| line.strip_prefix(key));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or(0)
    };
    // The dictionary that libFuzzer recommends is between lines of many `#`.
    let is_event = |line: &&str| {
        let number = line.strip_prefix('#').unwrap_or_default();
        number.starts_with(|first: char| first.is_ascii_digit())
    };
    let events = log.lines().filter(is_event);
    let last = events.clone().next_back();
    let last = last.with_context(|| format!("{name}: libFuzzer printed no line of its state"))?;
    let field = |line: &str, key: &str| -> u64 {
        let value = line
            .split_once(key)
            .and_then(|(_, rest)| rest.split_whitespace().next());
        let digits = value.map(|value| value.split('/').next().unwrap_or_default());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    let number = |line: &str| -> u64 {
        let number = line.trim_start_matches('#').split_whitespace().next();
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    let runs = stat("stat::number_of_executed_units:");
    // libFuzzer prints numbers of runs, and no times. Its rate is about constant.
    let new = events.filter(|line| field(line, "cov: ") > 0);
    let mut edges = 0;
    let mut found_at = 0;
    for line in new {
        if field(line, "cov: ") > edges {
            edges = field(line, "cov: ");
            found_at = number(line);
        }
    }
    ensure!(edges > 0, "{name}: libFuzzer reports no coverage");
    let seconds = log
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("Done "))
        .and_then(|line| line.rsplit_once(" in ")?.1.split(' ').next()?.parse().ok())
        .unwrap_or(0);
    Ok(Report {
        name,
        runs,
        edges,
        features: field(last, "ft: "),
        inputs: field(last, "corp: "),
        seconds,
        quiet: (seconds as f64 * (1.0 - found_at as f64 / runs.max(1) as f64)) as u64,
    })
}

fn table(rows: &[String]) -> String {
    let head = "| Target | Runs | Seconds | Edges | Features | Inputs kept | Seconds since the last new edge |\n\
                |---|---:|---:|---:|---:|---:|---:|\n";
    format!("{head}{}\n", rows.join("\n"))
}

fn row(report: &Report) -> String {
    let Report {
        name,
        runs,
        edges,
        features,
        inputs,
        seconds,
        quiet,
    } = report;
    format!("| `{name}` | {runs} | {seconds} | {edges} | {features} | {inputs} | {quiet} |")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read() {
        let log = "INFO: Seed: 1\n#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                   #50\tNEW    cov: 40 ft: 60 corp: 2/5b lim: 4 exec/s: 0 rss: 30Mb L: 4/4\n\
                   #75\tNEW    cov: 40 ft: 61 corp: 3/9b lim: 4 exec/s: 0 rss: 30Mb L: 4/4\n\
                   #200\tDONE   cov: 40 ft: 61 corp: 3/9b lim: 4 exec/s: 20 rss: 30Mb\n\
                   ###### Recommended dictionary. ######\n\"a\" # Uses: 1\n###### End of recommended dictionary. ######\n\
                   Done 200 runs in 10 second(s)\nstat::number_of_executed_units: 200\n";
        let report = read("x", log).unwrap();
        assert_eq!(row(&report), "| `x` | 200 | 10 | 40 | 61 | 3 | 7 |");
    }

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
