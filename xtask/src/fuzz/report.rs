//! What libFuzzer reports.

use anyhow::{Context, Result, ensure};

/// The head of the table of reports. Seconds are of processor time.
pub(super) const HEAD: &str = "| Target | Runs | Seconds | Edges | Features | Inputs kept | Seconds since the last new edge |\n\
                               |---|---:|---:|---:|---:|---:|---:|\n";

/// What libFuzzer reports of a target.
pub(super) struct Report {
    pub(super) name: &'static str,
    runs: u64,
    edges: u64,
    features: u64,
    inputs: u64,
    /// Processor time.
    pub(super) seconds: u64,
    /// Processor time since the last input that reached new code.
    pub(super) quiet: u64,
    /// Whether an input that libFuzzer made reached new code.
    grew: bool,
}

impl Report {
    /// Reads libFuzzer's log of a process that used so much processor time.
    pub(super) fn read(name: &'static str, log: &str, seconds: f64) -> Result<Self> {
        // The dictionary that libFuzzer recommends is between lines of many `#`.
        let is_event = |line: &&str| {
            let number = line.strip_prefix('#').unwrap_or_default();
            number.starts_with(|first: char| first.is_ascii_digit())
        };
        let events = log.lines().filter(is_event);
        let last = events.clone().next_back();
        let last =
            last.with_context(|| format!("{name}: libFuzzer printed no line of its state"))?;
        let runs = stat(log, "stat::number_of_executed_units:");
        // libFuzzer prints numbers of runs, and no times. Its rate is about constant.
        let (mut edges, mut found_at, mut of_seeds) = (0, 0, 0);
        for line in events {
            let covered = field(line, "cov: ");
            if line.contains("\tINITED") {
                of_seeds = covered;
            }
            if covered > edges {
                edges = covered;
                found_at = number(line);
            }
        }
        ensure!(edges > 0, "{name}: libFuzzer reports no coverage");
        Ok(Self {
            name,
            runs,
            edges,
            features: field(last, "ft: "),
            inputs: field(last, "corp: "),
            seconds: seconds as u64,
            quiet: (seconds * (1.0 - found_at as f64 / runs.max(1) as f64)) as u64,
            grew: edges > of_seeds,
        })
    }

    /// Both runs together. The later one began with the inputs that the first one kept.
    pub(super) fn then(self, later: Self) -> Self {
        Self {
            runs: self.runs + later.runs,
            seconds: self.seconds + later.seconds,
            quiet: match later.grew {
                true => later.quiet,
                false => self.quiet + later.seconds,
            },
            // A target with threads does not reach the same code each time.
            edges: self.edges.max(later.edges),
            features: self.features.max(later.features),
            ..later
        }
    }

    /// A row of the table.
    pub(super) fn row(&self) -> String {
        let Self {
            name,
            runs,
            edges,
            features,
            inputs,
            seconds,
            quiet,
            grew: _,
        } = self;
        format!("| `{name}` | {runs} | {seconds} | {edges} | {features} | {inputs} | {quiet} |")
    }
}

/// The number after `key` at the start of a line.
fn stat(log: &str, key: &str) -> u64 {
    let line = log.lines().rev().find_map(|line| line.strip_prefix(key));
    line.and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}

/// The number after `key` in a line.
fn field(line: &str, key: &str) -> u64 {
    let value = line
        .split_once(key)
        .and_then(|(_, rest)| rest.split_whitespace().next());
    let digits = value.map(|value| value.split('/').next().unwrap_or_default());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The number of the run that a line is about.
fn number(line: &str) -> u64 {
    let number = line.trim_start_matches('#').split_whitespace().next();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "INFO: Seed: 1\n#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 30Mb\n\
        #50\tNEW    cov: 40 ft: 60 corp: 2/5b lim: 4 exec/s: 0 rss: 30Mb L: 4/4\n\
        #75\tNEW    cov: 40 ft: 61 corp: 3/9b lim: 4 exec/s: 0 rss: 30Mb L: 4/4\n\
        #200\tDONE   cov: 40 ft: 61 corp: 3/9b lim: 4 exec/s: 20 rss: 30Mb\n\
        ###### Recommended dictionary. ######\n\"a\" # Uses: 1\n###### End of recommended dictionary. ######\n\
        Done 200 runs in 13 second(s)\nstat::number_of_executed_units: 200\n";
    const QUIET: &str = "#3\tINITED cov: 40 ft: 61 corp: 3/9b exec/s: 0 rss: 30Mb\n\
        #9\tNEW    cov: 40 ft: 62 corp: 4/9b lim: 4 exec/s: 0 rss: 30Mb L: 4/4\n\
        #90\tDONE   cov: 40 ft: 62 corp: 4/9b lim: 4 exec/s: 20 rss: 30Mb\n\
        Done 90 runs in 5 second(s)\nstat::number_of_executed_units: 90\n";

    #[test]
    fn a_log_is_read() {
        let report = Report::read("x", LOG, 10.2).unwrap();
        assert_eq!(report.row(), "| `x` | 200 | 10 | 40 | 61 | 3 | 7 |");
        assert!(report.grew);
    }

    #[test]
    fn runs_are_added() {
        let first = || Report::read("x", LOG, 10.2).unwrap();
        let quiet = || Report::read("x", QUIET, 5.0).unwrap();
        assert!(!quiet().grew);
        let sum = first().then(quiet());
        assert_eq!(sum.row(), "| `x` | 290 | 15 | 40 | 62 | 4 | 12 |");
        assert!(!sum.grew);
        let sum = sum.then(first());
        assert_eq!(sum.row(), "| `x` | 490 | 25 | 40 | 62 | 3 | 7 |");
    }
}
