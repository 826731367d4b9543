use std::path::Path;

use glm4v::{Inspection, Mismatch, VisionConfig};
use serde_json::{Value, json};

use super::Findings;
use crate::console::Report;
use crate::layout;

/// As many keys as are listed without -v.
const FEW: usize = 10;

impl Findings {
    /// The findings in `dir`; `all` to list every key.
    pub(super) fn report(&self, dir: &Path, all: bool) -> Report {
        let configs = [
            ("vision_config", json!(effective(&self.vision))),
            ("preprocessor_config", json!(self.image)),
            ("video_preprocessor_config", json!(self.video)),
        ];
        let mut text = layout::pairs(&[("checkpoint", dir.display().to_string())]);
        for (name, config) in &configs {
            text += &format!("\n{name}\n{}", config_text(config));
        }
        text += "\nvision tower\n";
        match &self.tower {
            Some(tower) => text += &tower_text(tower, self.vision.parameters().len(), all),
            None => text += "  cannot be read\n",
        }
        let mut json: Value = json!({
            "checkpoint": dir.to_string_lossy(),
            "weights": self.tower.as_ref().map(tower_json),
            "problems": self.problems,
        });
        for (name, config) in configs {
            json[name] = config;
        }
        Report { text, json }
    }
}

/// The configuration with what it leaves unsaid.
fn effective(vision: &VisionConfig) -> VisionConfig {
    let mut vision = vision.clone();
    vision.rope_parameters.get_or_insert_default();
    vision
}

fn config_text(config: &Value) -> String {
    let mut rows = Vec::new();
    flatten("  ", config, &mut rows);
    if rows.is_empty() {
        return "  absent or broken\n".to_owned();
    }
    layout::table(&rows)
}

/// Fields one a line, those of an object within as `object.field`.
fn flatten(prefix: &str, value: &Value, rows: &mut Vec<[String; 2]>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        if value.is_object() {
            flatten(&format!("{prefix}{name}."), value, rows);
        } else {
            rows.push([format!("{prefix}{name}"), scalar(value)]);
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(scalar).collect::<Vec<_>>().join(", "),
        // A field of f32 comes out of JSON with digits that nobody wrote.
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && f64::from(float as f32) == float => {
                (float as f32).to_string()
            }
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

fn tower_text(tower: &Inspection, expected: usize, all: bool) -> String {
    let files = tower.files.iter().filter_map(|file| file.file_name());
    let files: Vec<String> = files
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let prefix = if tower.prefix.is_empty() {
        "none"
    } else {
        &tower.prefix
    };
    let bytes = tower
        .bytes
        .iter()
        .map(|(dtype, &bytes)| format!("{dtype} {}", layout::bytes(bytes)));
    let mut text = layout::pairs(&[
        ("  files", files.join(", ")),
        ("  prefix", prefix.to_owned()),
        ("  tensors", format!("{} of {expected}", tower.tensors)),
        ("  parameters", layout::millions(tower.parameters)),
        ("  bytes", bytes.collect::<Vec<_>>().join(", ")),
        (
            "  left unread",
            format!(
                "{} of other parts of the model",
                layout::count(tower.other_tensors, "tensor")
            ),
        ),
    ]);
    let mismatched: Vec<String> = tower.mismatched.iter().map(mismatch).collect();
    let left_over: Vec<String> = tower.left_over.iter().map(|(key, _)| key.clone()).collect();
    text += &list("missing", &tower.missing, all);
    text += &list("of the wrong shape or type", &mismatched, all);
    text += &list(
        "left over, without a place in the configuration",
        &left_over,
        all,
    );
    text
}

fn mismatch(mismatch: &Mismatch) -> String {
    let Mismatch {
        key,
        expected,
        found,
        dtype,
        ..
    } = mismatch;
    format!("{key}: expected {expected:?} in F32, F16 or BF16, found {found:?} in {dtype}")
}

fn list(what: &str, keys: &[String], all: bool) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let shown = if all { keys.len() } else { FEW.min(keys.len()) };
    let mut text = format!("\n{} {what}\n", layout::count(keys.len(), "tensor"));
    for key in &keys[..shown] {
        text += &format!("  {key}\n");
    }
    if shown < keys.len() {
        text += &format!("  … and {} more; -v lists all\n", keys.len() - shown);
    }
    text
}

fn tower_json(tower: &Inspection) -> Value {
    let bytes = tower
        .bytes
        .iter()
        .map(|(dtype, &bytes)| (dtype.to_string(), json!(bytes)));
    let mismatched = tower.mismatched.iter().map(|mismatch| {
        json!({
            "key": mismatch.key,
            "file": mismatch.file.to_string_lossy(),
            "expected": mismatch.expected,
            "found": mismatch.found,
            "dtype": mismatch.dtype,
        })
    });
    let left_over = tower.left_over.iter();
    let left_over =
        left_over.map(|(key, file)| json!({"key": key, "file": file.to_string_lossy()}));
    json!({
        "complete": tower.is_complete(),
        "prefix": tower.prefix,
        "files": tower.files.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>(),
        "tensors": tower.tensors,
        "parameters": tower.parameters,
        "bytes": Value::Object(bytes.collect()),
        "other_tensors": tower.other_tensors,
        "missing": tower.missing,
        "mismatched": mismatched.collect::<Value>(),
        "left_over": left_over.collect::<Value>(),
    })
}
