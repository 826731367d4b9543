use serde_json::Value;

/// What the heading of the table says of the run.
pub(super) struct Heading<'a> {
    /// The device that was asked for.
    pub(super) device: &'a str,
    /// The attention method and features of a GPU, or nothing.
    pub(super) options: String,
    pub(super) preset: &'a str,
    pub(super) repeat: u16,
    pub(super) threads: usize,
}

/// All that was measured.
#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// The greeting of our side.
    pub(super) ours: Value,
    /// The greeting of the reference, if there is one.
    pub(super) theirs: Value,
}

/// Most memory at once, in MiB, as far as it is known.
#[derive(Clone, Copy, Default)]
pub(super) struct Peak {
    /// Host memory of the process.
    pub(super) host: Option<f64>,
    /// GPU memory, as the library counts it.
    pub(super) gpu: Option<f64>,
}

/// One task that both sides did several times. They took turns.
pub(super) struct Row {
    dtype: String,
    input: String,
    patches: Option<u64>,
    what: String,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    /// Our peak and theirs.
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
    pub(super) fn add(&mut self, ours: f64, theirs: Option<f64>) {
        self.ours.push(ours);
        self.theirs.extend(theirs);
    }

    /// Whether this is the row of a task, a data type and an input.
    pub(super) fn is(&self, what: &str, dtype: &str, input: &str) -> bool {
        self.what == what && self.dtype == dtype && self.input == input
    }

    /// Our median and theirs.
    pub(super) fn medians(&self) -> (Option<f64>, Option<f64>) {
        let median = |seconds: &[f64]| spread(seconds).map(|[_, median, _]| median);
        (median(&self.ours), median(&self.theirs))
    }

    /// The row as a line of the table.
    pub(super) fn line(&self) -> String {
        let pairs = self.ours.iter().zip(&self.theirs);
        let ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs).collect();
        let ratio = spread(&ratios).map_or(String::new(), |[_, median, _]| format!("{median:.2}"));
        let patches = self
            .patches
            .map_or(String::new(), |count| count.to_string());
        let (ours, theirs) = self.peaks;
        format!(
            "| {} | {} | {} | {} | {} | {} | {ratio} | {} | {} |",
            self.dtype,
            self.input,
            patches,
            self.what,
            times(&self.ours),
            times(&self.theirs),
            ours.cell(),
            theirs.unwrap_or_default().cell(),
        )
    }
}

impl Peak {
    pub(super) fn cell(self) -> String {
        let host = self.host.map(|mib| format!("{mib:.0}"));
        let gpu = self.gpu.map(|mib| format!("GPU {mib:.0}"));
        host.into_iter().chain(gpu).collect::<Vec<_>>().join(", ")
    }
}

impl Table {
    /// The table, below a heading.
    pub(super) fn markdown(&self, heading: &Heading<'_>) -> String {
        let ours = self.ours["device"].as_str().unwrap_or(heading.device);
        let mut text = format!(
            "{}, {} threads; ours on {ours}{}; {}; {}. Seconds: median (minimum to maximum) of {}. The ratio is the \
             median of the ratios of the pairs. Peaks of memory in MiB.\n\n",
            processor(),
            heading.threads,
            heading.options,
            self.reference(),
            heading.preset,
            heading.repeat,
        );
        text += "| type | images | patches | task | ours | transformers | ratio | our peak | their peak |\n";
        text += "|---|---|---|---|---|---|---|---|---|\n";
        for row in &self.rows {
            text += &row.line();
            text.push('\n');
        }
        text
    }

    /// The reference's versions and device.
    fn reference(&self) -> String {
        let names = ["transformers", "torch", "torchvision"];
        let versions = names.into_iter().filter_map(|name| {
            let version = self.theirs["versions"][name].as_str()?;
            Some(format!("{name} {version}"))
        });
        match self.theirs["device"].as_str() {
            Some(device) => format!("{} on {device}", versions.collect::<Vec<_>>().join(", ")),
            None => "no reference".into(),
        }
    }
}

/// Seconds as a cell of a table.
pub(super) fn times(seconds: &[f64]) -> String {
    let Some([min, median, max]) = spread(seconds) else {
        return String::new();
    };
    format!("{median:.3} ({min:.3}–{max:.3})")
}

/// Minimum, median and maximum.
pub(super) fn spread(values: &[f64]) -> Option<[f64; 3]> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (&min, &max) = (values.first()?, values.last()?);
    let middle = |half: usize| values[half / 2];
    // The median of an even number of values is the mean of the middle two.
    let median = (middle(values.len() - 1) + middle(values.len())) / 2.0;
    Some([min, median, max])
}

/// The name of the processor.
pub(super) fn processor() -> String {
    let name = || {
        let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = info.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    name().unwrap_or_else(|| "unknown processor".into())
}

/// The instruction sets that decide the speed of products, by the names that Linux gives them, and their usual names.
const INSTRUCTIONS: [(&str, &str); 8] = [
    ("avx2", "AVX2"),
    ("avx512f", "AVX-512"),
    ("avx512_vnni", "AVX-512 VNNI"),
    ("avx512_bf16", "AVX-512 BF16"),
    ("avx_vnni", "AVX-VNNI"),
    ("amx_bf16", "AMX BF16"),
    ("amx_int8", "AMX INT8"),
    ("asimddp", "NEON with dot products"),
];

/// The instruction sets of the processor.
pub(super) fn instructions() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    instructions_in(&info)
}

fn instructions_in(info: &str) -> String {
    let mut lines = info.lines();
    let line = lines.find(|line| line.starts_with("flags") || line.starts_with("Features"));
    let flags: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let found = INSTRUCTIONS.iter().filter(|(flag, _)| flags.contains(flag));
    match found.map(|(_, name)| *name).collect::<Vec<_>>() {
        names if names.is_empty() => "unknown instruction sets".into(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_pairs() {
        let mut row = Row::new("f32", "336x336", Some(576), "encode");
        for (ours, theirs) in [(1.0, 2.0), (3.0, 3.0), (9.0, 3.0)] {
            row.add(ours, Some(theirs));
        }
        row.peaks.0.host = Some(10.4);
        assert_eq!(
            row.line(),
            "| f32 | 336x336 | 576 | encode | 3.000 (1.000–9.000) | 3.000 (2.000–3.000) | 1.00 | 10 |  |"
        );
    }

    #[test]
    fn instruction_sets_are_named() {
        let info = "model name\t: a\nflags\t\t: fpu avx2 avx512f avx512_vnni\n";
        assert_eq!(instructions_in(info), "AVX2, AVX-512, AVX-512 VNNI");
        assert_eq!(instructions_in(""), "unknown instruction sets");
    }

    #[test]
    fn the_median_of_two_is_their_mean() {
        assert_eq!(spread(&[4.0, 1.0]), Some([1.0, 2.5, 4.0]));
        assert_eq!(spread(&[4.0, 1.0, 2.0]), Some([1.0, 2.0, 4.0]));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn one_side_alone_has_no_ratio() {
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
