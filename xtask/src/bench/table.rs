use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Args;

/// All that was measured.
#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// What each side said of itself; the reference, if there is one.
    pub(super) ours: Value,
    pub(super) theirs: Value,
}

/// Most memory, in MiB, where it can be told.
#[derive(Clone, Copy, Default)]
pub(super) struct Peak {
    /// Of the process.
    pub(super) host: Option<f64>,
    /// What the library has taken of the GPU.
    pub(super) gpu: Option<f64>,
}

/// One thing that both sides did, several times in turn.
pub(super) struct Row {
    dtype: String,
    input: String,
    patches: Option<u64>,
    what: String,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    /// Ours and theirs.
    pub(super) peaks: (Peak, Option<Peak>),
}

impl Row {
    pub(super) fn new(dtype: &str, input: &str, patches: Option<u64>, what: &str) -> Self {
        Self {
            dtype: dtype.into(),
            input: input.into(),
            patches,
            what: what.into(),
            ours: Vec::new(),
            theirs: Vec::new(),
            peaks: (Peak::default(), None),
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
        let patches = self
            .patches
            .map_or(String::new(), |count| count.to_string());
        let (own, other) = self.peaks;
        format!(
            "| {} | {} | {} | {} | {} | {} | {ratio} | {} | {} |",
            self.dtype,
            self.input,
            patches,
            self.what,
            times(&self.ours),
            times(&self.theirs),
            own.cell(),
            other.unwrap_or_default().cell(),
        )
    }
}

impl Peak {
    fn cell(self) -> String {
        let host = self.host.map(|mib| format!("{mib:.0}"));
        let gpu = self.gpu.map(|mib| format!("GPU {mib:.0}"));
        host.into_iter().chain(gpu).collect::<Vec<_>>().join(", ")
    }
}

impl Table {
    /// The table, under what must be known of it.
    pub(super) fn markdown(&self, args: &Args) -> Result<String> {
        let names = ["transformers", "torch", "torchvision"];
        let versions = names.into_iter().filter_map(|name| {
            let version = self.theirs["versions"][name].as_str()?;
            Some(format!("{name} {version}"))
        });
        let reference = match self.theirs["device"].as_str() {
            Some(device) => format!("{} on {device}", versions.collect::<Vec<_>>().join(", ")),
            None => "no reference".into(),
        };
        let ours = self.ours["device"].as_str().unwrap_or(&args.device);
        let with = match (args.is_on_gpu(), &args.features.join(" and ")[..]) {
            (false, _) => String::new(),
            (true, "") => format!(", attention {}", args.attention),
            (true, features) => format!(", attention {}, built with {features}", args.attention),
        };
        let threads = match args.threads {
            Some(threads) => threads,
            None => std::thread::available_parallelism()?.get(),
        };
        let mut text = format!(
            "{}, {threads} threads; ours on {ours}{with}; {reference}; {}. Seconds, median (minimum to maximum) of {}; the \
             ratio is the median of the pairs'; peaks of memory in MiB.\n\n",
            processor().unwrap_or_else(|| "unknown processor".into()),
            args.preset,
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

/// Replaces the table in `file`: on GPUs, that of the backend.
pub(super) fn put(file: &Path, args: &Args, table: &str) -> Result<()> {
    let of = match args.is_on_gpu() {
        true => format!("bench {}", args.backend()),
        false => "bench".into(),
    };
    let [begin, end] = ["begin", "end"].map(|mark| format!("<!-- {of}: {mark} -->\n"));
    let text = std::fs::read_to_string(file)?;
    let missing = || format!("{}: no {begin} and {end}", file.display());
    let (before, rest) = text.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    Ok(std::fs::write(
        file,
        format!("{before}{begin}{table}{end}{after}"),
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
        let mut row = Row::new("f32", "336x336", Some(576), "encode");
        for (own, other) in [(1.0, 2.0), (3.0, 3.0), (9.0, 3.0)] {
            row.add(own, Some(other));
        }
        row.peaks.0.host = Some(10.4);
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
        let mut row = Row::new("f32", "a", None, "b");
        row.add(0.5, None);
        row.peaks.0.gpu = Some(7.0);
        assert!(
            row.line()
                .ends_with("| b | 0.500 (0.500–0.500) |  |  | GPU 7 |  |"),
            "{}",
            row.line()
        );
    }
}
