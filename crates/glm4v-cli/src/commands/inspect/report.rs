use std::path::Path;

use glm4v::weights::{Inspection, Mismatch};
use serde_json::{Value, json};

use super::Findings;
use crate::escape::escape;
use crate::table::{self, Table};

/// The number of keys that are listed without -v.
const FEW: usize = 10;

impl Findings {
    /// The report on the checkpoint in `dir`. `all` lists every key.
    pub(super) fn text(&self, dir: &Path, all: bool) -> String {
        let mut text = table::pairs(&[("checkpoint", dir.display().to_string())]);
        for (name, config) in self.configs() {
            text += &format!("\n{name}\n{}", config_text(&config));
        }
        text += "\nvision tower\n";
        text += &match &self.tower {
            Some(tower) => tower_text(tower, self.vision.parameters().len(), all),
            None => "  cannot be read\n".to_owned(),
        };
        text
    }

    pub(super) fn json(&self, dir: &Path) -> Value {
        let mut json = json!({
            "checkpoint": dir.to_string_lossy(),
            "weights": self.tower.as_ref().map(tower_json),
            "problems": self.problems,
        });
        for (name, config) in self.configs() {
            json[name] = config;
        }
        json
    }

    /// The configurations by name, with the defaults of the tower filled in.
    fn configs(&self) -> [(&'static str, Value); 3] {
        let mut vision = self.vision.clone();
        vision.rope_parameters.get_or_insert_default();
        [
            ("vision_config", json!(vision)),
            ("preprocessor_config", json!(self.image)),
            ("video_preprocessor_config", json!(self.video)),
        ]
    }
}

fn config_text(config: &Value) -> String {
    let mut table = Table::default();
    flatten("  ", config, &mut table);
    match table.to_string() {
        text if text.is_empty() => "  missing or invalid\n".to_owned(),
        text => text,
    }
}

/// One row a field. Fields of an inner object are named `object.field`.
fn flatten(prefix: &str, value: &Value, table: &mut Table) {
    for (name, value) in value.as_object().into_iter().flatten() {
        if value.is_object() {
            flatten(&format!("{prefix}{name}."), value, table);
        } else {
            table.row(&[&format!("{prefix}{name}"), &scalar(value)]);
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(scalar).collect::<Vec<_>>().join(", "),
        // JSON stores an f32 as f64, which adds digits that the file does not have.
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
    let files: Vec<_> = files.map(|name| name.to_string_lossy()).collect();
    let prefix = Some(&tower.prefix[..]).filter(|prefix| !prefix.is_empty());
    let bytes = tower.bytes.iter();
    let bytes = bytes.map(|(dtype, &bytes)| format!("{dtype} {}", table::bytes(bytes)));
    let other = table::count(tower.other_tensors, "tensor");
    let mut text = table::pairs(&[
        ("  files", files.join(", ")),
        ("  prefix", prefix.unwrap_or("none").to_owned()),
        ("  tensors", format!("{} of {expected}", tower.tensors)),
        ("  parameters", table::millions(tower.parameters)),
        ("  bytes", bytes.collect::<Vec<_>>().join(", ")),
        ("  not used", format!("{other} outside the vision tower")),
    ]);
    let mismatch = |tensor: &Mismatch| {
        let (key, dtype) = (&tensor.key, &tensor.dtype);
        let (expected, found) = (&tensor.expected, &tensor.found);
        format!(
            "{key}: expected {expected:?} in F32, F16, BF16 or (in GGUF files) Q8_0, found {found:?} in {dtype}"
        )
    };
    let mismatched: Vec<String> = tower.mismatched.iter().map(mismatch).collect();
    let left_over: Vec<String> = tower.left_over.iter().map(|(key, _)| key.clone()).collect();
    text += &list("missing", &tower.missing, all);
    text += &list("with a wrong shape or type", &mismatched, all);
    text += &list("unexpected by the configuration", &left_over, all);
    text
}

fn list(what: &str, keys: &[String], all: bool) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let shown = if all { keys.len() } else { FEW.min(keys.len()) };
    let mut text = format!("\n{} {what}\n", table::count(keys.len(), "tensor"));
    for key in &keys[..shown] {
        text += &format!("  {}\n", escape(key));
    }
    if shown < keys.len() {
        text += &format!("  … and {} more; -v lists all\n", keys.len() - shown);
    }
    text
}

fn tower_json(tower: &Inspection) -> Value {
    let bytes = tower.bytes.iter();
    let bytes = bytes.map(|(dtype, &bytes)| (dtype.to_string(), json!(bytes)));
    let files = tower.files.iter().map(|file| file.to_string_lossy());
    let mismatched = tower.mismatched.iter().map(|tensor| {
        json!({
            "key": tensor.key,
            "file": tensor.file.to_string_lossy(),
            "expected": tensor.expected,
            "found": tensor.found,
            "dtype": tensor.dtype,
        })
    });
    let left_over = tower.left_over.iter();
    let left_over =
        left_over.map(|(key, file)| json!({"key": key, "file": file.to_string_lossy()}));
    json!({
        "complete": tower.is_complete(),
        "prefix": tower.prefix,
        "files": files.collect::<Vec<_>>(),
        "tensors": tower.tensors,
        "parameters": tower.parameters,
        "bytes": Value::Object(bytes.collect()),
        "other_tensors": tower.other_tensors,
        "missing": tower.missing,
        "mismatched": mismatched.collect::<Value>(),
        "left_over": left_over.collect::<Value>(),
    })
}
