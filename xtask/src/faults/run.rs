use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::call::{Call, Fault};
use super::hub::Hub;
use super::scenario::{OLDER, Rule, Scenario};
use super::tree::{self, Tree};

/// Longer runs hang.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs the program.
pub(super) struct Runner {
    pub(super) shim: PathBuf,
    pub(super) program: PathBuf,
    pub(super) work: PathBuf,
}

/// What happened in a run with a fault, and in the run after it.
pub(super) enum Outcome {
    Succeeded,
    Refused,
    Violation(String),
}

impl Runner {
    /// Runs a scenario without faults. Returns its files, and its calls with their numbers.
    pub(super) fn record(&self, scenario: &Scenario) -> Result<(Tree, BTreeMap<Call, usize>)> {
        let log = self.work.join("calls");
        // The first run fills caches of the system, such as that of host names.
        let mut trees = Vec::new();
        for _ in 0..2 {
            let (dir, hub) = self.fresh(scenario)?;
            fs::write(&log, "").with_context(|| log.display().to_string())?;
            let mut command = self.command(scenario, &dir, hub.as_ref());
            let (status, text) = wait(command.env("FAULT_LOG", &log))?;
            let success = status.is_some_and(|status| status.success());
            ensure!(success, "without a fault: {status:?}: {text}");
            trees.push(tree::read(&dir)?);
        }
        for (name, content) in &trees[0] {
            let is_stable =
                scenario.rule(name) != Rule::Same || trees[1].get(name) == Some(content);
            ensure!(is_stable, "two runs differ in {name}");
        }
        let mut calls = BTreeMap::new();
        let lines = fs::read_to_string(&log).with_context(|| log.display().to_string())?;
        for line in lines.lines() {
            if let Some(call) = Call::parse(line)? {
                *calls.entry(call).or_insert(0) += 1;
            }
        }
        Ok((trees.swap_remove(0), calls))
    }

    /// Runs a scenario in which one call fails, and then without faults in the same folder.
    pub(super) fn inject(
        &self,
        scenario: &Scenario,
        reference: &Tree,
        call: &Call,
        nth: usize,
        fault: Fault,
        stays: bool,
    ) -> Result<Outcome> {
        let (dir, hub) = self.fresh(scenario)?;
        let mut command = self.command(scenario, &dir, hub.as_ref());
        command.envs([("FAULT_CALL", &call.name), ("FAULT_PLACE", &call.place)]);
        command.env("FAULT_NTH", nth.to_string());
        command.env("FAULT_ERROR", fault.to_string());
        if stays {
            command.env("FAULT_STAYS", "1");
        }
        let (status, text) = wait(&mut command)?;
        let violation = |what: String| Ok(Outcome::Violation(format!("{what}: {}", text.trim())));
        let Some(status) = status else {
            return violation(format!("still runs after {LONGEST:?}"));
        };
        let expected = match fault {
            Fault::Kill => status.success() || status.signal() == Some(9),
            Fault::Error(_) | Fault::Short => matches!(status.code(), Some(0 | 1)),
        };
        if !expected {
            return violation(format!("{status}"));
        }
        if !status.success() && fault.is_harmless(call) {
            return violation("a passing fault stopped the program".into());
        }
        let may_leave = fault == Fault::Kill || call.name == "remove";
        let found = tree::read(&dir)?;
        if let Some(what) = wrong(scenario, reference, &found, may_leave) {
            return violation(what);
        }
        if status.success()
            && let Some(name) = missing(scenario, reference, &found)
        {
            return violation(format!("success without {name}"));
        }
        if let Some(what) = self.again(scenario, reference, &dir, hub.as_ref())? {
            return violation(format!("then, {what}"));
        }
        Ok(match status.success() {
            true => Outcome::Succeeded,
            false => Outcome::Refused,
        })
    }

    /// Runs the scenario again without faults. Returns what is wrong.
    fn again(
        &self,
        scenario: &Scenario,
        reference: &Tree,
        dir: &Path,
        hub: Option<&Hub>,
    ) -> Result<Option<String>> {
        let mut command = self.command(scenario, dir, hub);
        command.env_remove("LD_PRELOAD");
        let (status, text) = wait(&mut command)?;
        // `init` refuses a directory that exists, which is then complete.
        let success = status.is_some_and(|status| status.success());
        if !success && scenario.name != "init" {
            return Ok(Some(format!("the next run fails: {}", text.trim())));
        }
        let found = tree::read(dir)?;
        let wrong = wrong(scenario, reference, &found, true);
        let missing =
            || missing(scenario, reference, &found).map(|name| format!("{name} is missing"));
        Ok(wrong.or_else(missing))
    }

    /// An empty folder for a run, filled by the scenario.
    fn fresh(&self, scenario: &Scenario) -> Result<(PathBuf, Option<Hub>)> {
        let dir = self.work.join("run");
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| dir.display().to_string())?;
        }
        fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
        scenario.prepare(&dir)?;
        let hub = scenario.has_hub.then(Hub::start).transpose()?;
        Ok((dir, hub))
    }

    fn command(&self, scenario: &Scenario, dir: &Path, hub: Option<&Hub>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(scenario.args).current_dir(dir);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", dir);
        command
            .env("TMPDIR", dir.join("tmp"))
            .env("GLM4V_CACHE", dir.join("out/towers"));
        command.env("HF_HOME", dir.join("none"));
        // The order of calls must not depend on threads.
        command.env("RAYON_NUM_THREADS", "1");
        if let Some(hub) = hub {
            command.env("HF_ENDPOINT", hub.url());
        }
        command.env("LD_PRELOAD", &self.shim).env("FAULT_DIR", dir);
        command
    }
}

/// Runs a command to its end. Returns its status and its messages. A run that hangs is killed, and has no status.
fn wait(command: &mut Command) -> Result<(Option<ExitStatus>, String)> {
    let context = |command: &Command| format!("{command:?}");
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.with_context(|| context(command))?;
    let (start, mut hangs) = (Instant::now(), false);
    while child.try_wait()?.is_none() {
        if start.elapsed() > LONGEST {
            child.kill()?;
            hangs = true;
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // A note about random weights, for example, is no reason.
    let reasons: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains(": note: "))
        .collect();
    Ok(((!hangs).then_some(output.status), reasons.join("; ")))
}

/// The first file that breaks its rule.
fn wrong(scenario: &Scenario, reference: &Tree, found: &Tree, may_leave: bool) -> Option<String> {
    for (name, content) in found {
        let expected = reference.get(name);
        let is_right = match scenario.rule(name) {
            Rule::Other => true,
            Rule::Temporary => may_leave,
            Rule::Prefix => expected.is_some_and(|expected| expected.starts_with(content)),
            Rule::Same => expected == Some(content) || (scenario.replaces && content == OLDER),
        };
        if !is_right {
            return Some(match (scenario.rule(name), expected) {
                (Rule::Temporary, _) => format!("{name} is left behind"),
                (_, None) => format!("{name} should not be there"),
                (_, Some(expected)) => format!(
                    "{name} differs: {} bytes in place of {}",
                    content.len(),
                    expected.len()
                ),
            });
        }
    }
    let whole = scenario.whole?;
    let count = |tree: &Tree| tree.keys().filter(|name| name.starts_with(whole)).count();
    let (all, there) = (count(reference), count(found));
    (there > 0 && there < all).then(|| format!("{whole} has {there} of {all} files"))
}

/// An output that is not there.
fn missing(scenario: &Scenario, reference: &Tree, found: &Tree) -> Option<String> {
    let is_missing = |(name, content): &(&String, &Vec<u8>)| {
        let is_output = matches!(scenario.rule(name), Rule::Same | Rule::Prefix);
        // Embeddings are computed again where the cache could not be written.
        is_output && !name.contains("/cache/") && found.get(*name) != Some(*content)
    };
    let mut outputs = reference.iter();
    outputs.find(is_missing).map(|(name, _)| name.clone())
}
