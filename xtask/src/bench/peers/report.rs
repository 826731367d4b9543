use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::accuracy::Accuracy;
use super::peer::PEERS;
use crate::bench::table::{Peak, instructions, processor, spread, times};

pub(super) const OURS: &str = "glm4v";

/// One program in one data type.
pub(super) struct Measured {
    pub(super) program: &'static str,
    pub(super) dtype: String,
    pub(super) note: Option<&'static str>,
    pub(super) seconds: Vec<f64>,
    /// Our times divided by its times, for each turn.
    pub(super) ratios: Vec<f64>,
    pub(super) peak: Peak,
    pub(super) accuracy: Accuracy,
}

/// What the heading of a table says of the run.
pub(super) struct Heading<'a> {
    pub(super) threads: usize,
    pub(super) repeat: u16,
    pub(super) size: &'a str,
    pub(super) weights: String,
}

/// All that was measured with one image.
pub(super) struct Report {
    patches: u64,
    pub(super) rows: Vec<Measured>,
    /// The programs that were not measured, each with its reason.
    pub(super) missing: Vec<String>,
    versions: BTreeMap<String, String>,
}

/// The types in the order of the table.
const DTYPES: [&str; 3] = ["f32", "bf16", "int8"];
/// Versions that say nothing about the programs.
const UNRELATED: [&str; 4] = ["python", "torchvision", "pillow", "av"];

impl Measured {
    fn median(&self) -> f64 {
        spread(&self.seconds).map_or(f64::NAN, |[_, median, _]| median)
    }

    /// The row as a line of the table.
    pub(super) fn line(&self) -> String {
        let note = self.note.map_or(String::new(), |note| format!(" ({note})"));
        let ratio =
            spread(&self.ratios).map_or(String::new(), |[_, ratio, _]| format!("{ratio:.2}"));
        format!(
            "| {} | {}{note} | {} | {ratio} | {} | {:.1e} | {:.5} | {:.5} |",
            self.program,
            self.dtype,
            times(&self.seconds),
            self.peak.cell(),
            self.accuracy.relative_l2,
            self.accuracy.mean_cosine,
            self.accuracy.smallest_cosine,
        )
    }
}

impl Report {
    pub(super) fn new(patches: u64) -> Self {
        Self {
            patches,
            rows: Vec::new(),
            missing: Vec::new(),
            versions: BTreeMap::new(),
        }
    }

    /// Adds the versions that a side named.
    pub(super) fn add_versions(&mut self, versions: &Value) {
        for (name, version) in versions.as_object().into_iter().flatten() {
            if let Some(version) = version.as_str().filter(|_| !UNRELATED.contains(&&name[..])) {
                self.versions.insert(name.clone(), version.to_owned());
            }
        }
    }

    /// The table below a heading, type by type and fastest first, and the programs that were not measured.
    pub(super) fn markdown(&self, heading: &Heading<'_>) -> String {
        let versions = self.versions.iter();
        let versions: Vec<_> = versions
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        let mut text = format!(
            "{} ({}), {} threads; one image of {} ({} patches); {}; {}. Seconds from patch rows to embeddings: median (minimum \
             to maximum) of {} runs, in turn with glm4v. The ratio is the time of glm4v / the time of the program, the median of \
             the pairs of runs. Errors and cosines are relative to transformers in f32.\n\n",
            processor(),
            instructions(),
            heading.threads,
            heading.size,
            self.patches,
            heading.weights,
            versions.join(", "),
            heading.repeat,
        );
        text += "| Program | type | seconds | ratio | peak MiB | relative L2 error | mean cosine | smallest cosine |\n";
        text += "|---|---|---|---|---|---|---|---|\n";
        for dtype in DTYPES {
            let of_type = self.rows.iter().filter(|row| row.dtype == dtype);
            let mut timed: Vec<_> = of_type.map(|row| (row.median(), row)).collect();
            timed.sort_by(|(one, _), (other, _)| f64::total_cmp(one, other));
            for (_, row) in timed {
                text += &row.line();
                text.push('\n');
            }
        }
        if !self.missing.is_empty() {
            text += "\nNot measured:\n\n";
        }
        for line in &self.missing {
            text += &format!("- {line}\n");
        }
        text
    }

    /// The entries of docs/data/peers.json.
    pub(super) fn programs(&self) -> Value {
        let mut names = vec![OURS];
        names.extend(PEERS.iter().map(|peer| peer.program.name()));
        let mut entries: Vec<Value> = Vec::new();
        for name in names {
            let rows: Vec<_> = self.rows.iter().filter(|row| row.program == name).collect();
            let is_new = entries.iter().all(|entry| entry["name"] != name);
            if is_new && !rows.is_empty() {
                entries.push(entry(name, &rows));
            }
        }
        Value::Array(entries)
    }

    /// The lines below the chart.
    pub(super) fn caption(&self, heading: &Heading<'_>) -> Vec<String> {
        let Heading {
            threads, repeat, ..
        } = heading;
        vec![
            format!(
                "Full-size tower with random weights, {} patches, from patch rows to embeddings. Medians of {repeat} runs",
                self.patches
            ),
            format!(
                "in turn with glm4v, on {} ({}), {threads} threads.",
                processor(),
                instructions()
            ),
        ]
    }
}

/// A program with what was measured in each type.
fn entry(name: &str, rows: &[&Measured]) -> Value {
    let mut entry = json!({"name": name});
    for row in rows {
        let accuracy = &row.accuracy;
        let dtype = &row.dtype[..];
        entry["seconds"][dtype] = rounded(row.median(), 100.0);
        entry["relative_l2"][dtype] = two_digits(accuracy.relative_l2);
        entry["mean_cosine"][dtype] = rounded(accuracy.mean_cosine, 1e5);
        entry["smallest_cosine"][dtype] = rounded(accuracy.smallest_cosine, 1e5);
        if let Some(mib) = row.peak.host {
            entry["peak_mib"][dtype] = rounded(mib, 1.0);
        }
        if let Some(note) = row.note {
            entry["notes"][dtype] = json!(note);
        }
    }
    entry
}

/// A number rounded to a multiple of 1 / `parts`.
fn rounded(number: f64, parts: f64) -> Value {
    json!((number * parts).round() / parts)
}

fn two_digits(number: f64) -> Value {
    json!(format!("{number:.1e}").parse::<f64>().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(program: &'static str, dtype: &str, seconds: &[f64]) -> Measured {
        Measured {
            program,
            dtype: dtype.into(),
            note: (dtype == "int8").then_some("dynamic"),
            seconds: seconds.to_vec(),
            ratios: vec![0.5, 2.0, 1.5],
            peak: Peak {
                host: Some(1144.4),
                gpu: None,
            },
            accuracy: Accuracy {
                relative_l2: 0.0874,
                mean_cosine: 0.998_765_4,
                smallest_cosine: 0.99,
            },
        }
    }

    #[test]
    fn a_line_has_the_spread_and_the_errors() {
        assert_eq!(
            measured("ONNX Runtime", "int8", &[2.0, 1.0, 4.0]).line(),
            "| ONNX Runtime | int8 (dynamic) | 2.000 (1.000–4.000) | 1.50 | 1144 | 8.7e-2 | 0.99877 | 0.99000 |"
        );
    }

    #[test]
    fn the_table_is_sorted_by_type_and_time_and_names_what_is_missing() {
        let mut report = Report::new(576);
        report.rows = vec![
            measured("OpenVINO", "int8", &[1.0]),
            measured("OpenVINO", "f32", &[3.0]),
            measured(OURS, "f32", &[2.0]),
        ];
        report.missing = vec!["llama.cpp, f16: not built".into()];
        report.add_versions(&json!({"openvino": "2026.4.1", "python": "3.11"}));
        let text = report.markdown(&Heading {
            threads: 2,
            repeat: 3,
            size: "336x336",
            weights: "tiny".into(),
        });
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| ")).collect();
        assert!(rows[1].starts_with("| glm4v | f32"), "{text}");
        assert!(rows[2].starts_with("| OpenVINO | f32"), "{text}");
        assert!(rows[3].starts_with("| OpenVINO | int8"), "{text}");
        assert!(
            text.ends_with("Not measured:\n\n- llama.cpp, f16: not built\n"),
            "{text}"
        );
        assert!(text.contains("; openvino 2026.4.1."), "{text}");
    }

    #[test]
    fn the_data_of_the_chart_has_each_program_once() {
        let mut report = Report::new(576);
        report.rows = vec![
            measured("ONNX Runtime", "f32", &[4.5]),
            measured("ONNX Runtime", "int8", &[1.406]),
        ];
        assert_eq!(
            report.programs(),
            json!([{
                "name": "ONNX Runtime",
                "notes": {"int8": "dynamic"},
                "seconds": {"f32": 4.5, "int8": 1.41},
                "peak_mib": {"f32": 1144.0, "int8": 1144.0},
                "relative_l2": {"f32": 0.087, "int8": 0.087},
                "mean_cosine": {"f32": 0.99877, "int8": 0.99877},
                "smallest_cosine": {"f32": 0.99, "int8": 0.99},
            }])
        );
    }
}
