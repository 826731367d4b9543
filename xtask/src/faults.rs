//! Makes each call of the operating system fail in turn, while the program writes, fetches and caches.

mod call;
mod hub;
mod run;
mod scenario;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::shell;
use call::{Call, Fault};
use run::{Outcome, Runner};
use scenario::{SCENARIOS, Scenario};

const SHIM: &str = include_str!("faults/shim.c");

/// Arguments of `faults`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run these scenarios only
    #[arg(long = "scenario", value_name = "NAME", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// The program [default: built from this workspace]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Write the rows of these scenarios to the table in docs/reliability.md
    #[arg(long)]
    write: bool,
}

/// What was injected in a scenario.
#[derive(Default)]
struct Tally {
    sites: usize,
    pairs: BTreeSet<(Call, Fault)>,
    runs: usize,
    /// Runs that succeeded, because the program tried again or did not need the call.
    succeeded: usize,
    /// Runs that ended with an error.
    refused: usize,
    violations: Vec<String>,
}

/// Runs all scenarios.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "`cargo xtask faults` needs Linux on x86-64"
    );
    let chosen = chosen(&args.scenarios)?;
    let work = shell::target_dir()?.join("faults");
    std::fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
    // The shim compares paths as the system has them.
    let work = work.canonicalize()?;
    let runner = Runner {
        shim: build_shim(&work)?,
        program: match &args.program {
            Some(program) => std::path::absolute(program)?,
            None => build_program()?,
        },
        work,
    };
    let mut rows = Vec::new();
    let mut violations = 0;
    for scenario in chosen {
        let tally = inject(&runner, scenario).with_context(|| scenario.name.to_owned())?;
        let row = row(scenario, &tally);
        println!("{row}");
        rows.push(row);
        // A later scenario may fail as a whole.
        tally.violations.iter().for_each(|what| eprintln!("{what}"));
        violations += tally.violations.len();
    }
    if violations > 0 {
        bail!("{violations} violations");
    }
    if args.write {
        let head = "| What runs | Call sites | (Call site, error) pairs | Runs | Succeeded all the same | Refused | Wrong or half files |\n\
                    |---|---:|---:|---:|---:|---:|---:|\n";
        let path = shell::root().join("docs/reliability.md");
        crate::release::replace_rows(&path, "faults", head, &rows)?;
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>> {
    let known = |name: &String| SCENARIOS.iter().any(|scenario| scenario.name == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        bail!(
            "there is no scenario `{name}`; the scenarios are: {}",
            all.join(", ")
        );
    }
    let is_chosen =
        |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(SCENARIOS.iter().filter(is_chosen).collect())
}

fn build_shim(work: &Path) -> Result<PathBuf> {
    let (source, shim) = (work.join("shim.c"), work.join("shim.so"));
    std::fs::write(&source, SHIM).with_context(|| source.display().to_string())?;
    shell::compile_library(&source, &shim, &["-O1", "-ldl", "-lpthread"])?;
    Ok(shim)
}

fn build_program() -> Result<PathBuf> {
    shell::run(&mut shell::cargo([
        "build",
        "--quiet",
        "--package=glm4v-cli",
    ]))?;
    Ok(shell::target_dir()?.join("debug/glm4v"))
}

/// Records the calls of a scenario, and makes each fail in every way.
fn inject(runner: &Runner, scenario: &Scenario) -> Result<Tally> {
    let (reference, calls) = runner.record(scenario)?;
    let mut tally = Tally {
        sites: calls.len(),
        ..Tally::default()
    };
    for (call, count) in &calls {
        for fault in call.faults() {
            // A call in a loop fails for the first time and for the last time.
            for nth in BTreeSet::from([1, *count]) {
                for stays in fault.durations() {
                    let outcome = runner.inject(scenario, &reference, call, nth, fault, *stays)?;
                    tally.runs += 1;
                    tally.pairs.insert((call.clone(), fault));
                    match outcome {
                        Outcome::Succeeded => tally.succeeded += 1,
                        Outcome::Refused => tally.refused += 1,
                        Outcome::Violation(what) => tally.violations.push(format!(
                            "{}: {call} number {nth}, {fault}{}: {what}",
                            scenario.name,
                            if *stays { " from then on" } else { "" }
                        )),
                    }
                }
            }
        }
    }
    Ok(tally)
}

fn row(scenario: &Scenario, tally: &Tally) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |",
        scenario.title,
        tally.sites,
        tally.pairs.len(),
        tally.runs,
        tally.succeeded,
        tally.refused,
        tally.violations.len()
    )
}
