use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Args;

const BEGIN: &str = "<!-- bench: begin -->\n";
const END: &str = "<!-- bench: end -->\n";

/// All that was measured.
#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// Of the reference's libraries.
    pub(super) versions: Value,
}

/// One thing that both sides did, several times in turn.
pub(super) struct Row {
    dtype: String,
    input: String,
    patches: u64,
    what: String,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    /// MiB, ours and theirs.
    pub(super) peak: (Option<f64>, Option<f64>),
}

impl Row {
    pub(super) fn new(dtype: &str, input: &str, patches: u64, what: &str) -> Self {
        Self {
            dtype: dtype.into(),
            input: input.into(),
            patches,
            what: what.into(),
            ours: Vec::new(),
            theirs: Vec::new(),
            peak: (None, None),
        }
    }

    /// Adds a pair of times.
    pub(super) fn add(&mut self, own: f64, other: Option<f64>) {
        self.ours.push(own);
        self.theirs.extend(other);
    }

    /// The row as a line of the table.
    pub(super) fn line(&self) -> String {
        let pairs = self.ours.iter().zip(&self.theirs);
        let ratios: Vec<f64> = pairs.map(|(own, other)| own / other).collect();
        let ratio = spread(&ratios).map_or(String::new(), |[_, median, _]| format!("{median:.2}"));
        let mib = |peak: Option<f64>| peak.map_or(String::new(), |mib| format!("{mib:.0}"));
        format!(
            "| {} | {} | {} | {} | {} | {} | {ratio} | {} | {} |",
            self.dtype,
            self.input,
            self.patches,
            self.what,
            times(&self.ours),
            times(&self.theirs),
            mib(self.peak.0),
            mib(self.peak.1),
        )
    }
}

impl Table {
    /// The table, under what must be known of it.
    pub(super) fn markdown(&self, args: &Args) -> Result<String> {
        let versions = match self.versions.as_object() {
            Some(versions) => {
                let version =
                    |name: &str| Some(format!("{name} {}", versions.get(name)?.as_str()?));
                let names = ["transformers", "torch", "torchvision"];
                names
                    .into_iter()
                    .filter_map(version)
                    .collect::<Vec<_>>()
                    .join(", ")
            }
            None => "no reference".into(),
        };
        let threads = match args.threads {
            Some(threads) => threads,
            None => std::thread::available_parallelism()?.get(),
        };
        let mut text = format!(
            "{}, {threads} threads; ours on {}; {versions}. Seconds, median (minimum to maximum) of {}; the ratio is the \
             median of the pairs'; peaks of memory in MiB.\n\n",
            processor().unwrap_or_else(|| "unknown processor".into()),
            args.device,
            args.repeat,
        );
        text += "| type | photos | patches | what | ours | transformers | ratio | our peak | their peak |\n";
        text += "|---|---|---|---|---|---|---|---|---|\n";
        for row in &self.rows {
            text += &row.line();
            text.push('\n');
        }
        Ok(text)
    }
}

/// Replaces the table in `file`.
pub(super) fn put(file: &Path, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let missing = || format!("{}: no {BEGIN} and {END}", file.display());
    let (before, rest) = text.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(std::fs::write(
        file,
        format!("{before}{BEGIN}{table}{END}{after}"),
    )?)
}

fn times(seconds: &[f64]) -> String {
    let Some([min, median, max]) = spread(seconds) else {
        return String::new();
    };
    format!("{median:.3} ({min:.3}–{max:.3})")
}

/// Minimum, median and maximum.
fn spread(values: &[f64]) -> Option<[f64; 3]> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (&min, &max) = (values.first()?, values.last()?);
    let middle = |half: usize| values[half / 2];
    // Of an even number, the mean of the two in the middle.
    let median = (middle(values.len() - 1) + middle(values.len())) / 2.0;
    Some([min, median, max])
}

fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_pairs() {
        let mut row = Row::new("f32", "336x336", 576, "encode");
        for (own, other) in [(1.0, 2.0), (3.0, 3.0), (9.0, 3.0)] {
            row.add(own, Some(other));
        }
        row.peak = (Some(10.4), None);
        assert_eq!(
            row.line(),
            "| f32 | 336x336 | 576 | encode | 3.000 (1.000–9.000) | 3.000 (2.000–3.000) | 1.00 | 10 |  |"
        );
    }

    #[test]
    fn of_two_the_median_is_between_them() {
        assert_eq!(spread(&[4.0, 1.0]), Some([1.0, 2.5, 4.0]));
        assert_eq!(spread(&[4.0, 1.0, 2.0]), Some([1.0, 2.0, 4.0]));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn alone_there_is_no_ratio() {
        let mut row = Row::new("f32", "a", 1, "b");
        row.add(0.5, None);
        assert!(
            row.line().contains("| 0.500 (0.500–0.500) |  |  |"),
            "{}",
            row.line()
        );
    }
}
