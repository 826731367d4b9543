//! The chart of speed in the README: seconds a program takes for one image.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::shell;

/// The image of the chart, by its size.
pub(crate) const INPUT: &str = "336x336";

/// One time of one program.
pub(crate) struct Measured {
    program: &'static str,
    dtype: &'static str,
    seconds: f64,
}

impl Measured {
    pub(crate) fn new(program: &'static str, dtype: &'static str, seconds: f64) -> Self {
        Self {
            program,
            dtype,
            seconds,
        }
    }
}

const DTYPES: [(&str, &str); 3] = [("f32", "f32"), ("bf16", "bf16"), ("int8", "8 bits")];
const OURS: &str = "glm4v";

const WIDTH: f64 = 720.0;
const BARS_FROM: f64 = 240.0;
const BARS_TO: f64 = 660.0;
const BAR: f64 = 14.0;
const LINE: f64 = 20.0;

/// Colours that can be read on white and on black.
const STYLE: &str = "
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .label { text-anchor: end }
  .caption { font-size: 11px; opacity: .75 }
  .ours { fill: #d9730d }
  .peer { fill: #8b949e }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
";

/// Draws docs/images/speed.svg from docs/data/peers.json.
pub(crate) fn draw() -> Result<()> {
    let drawing = image(&read()?).context("docs/data/peers.json has unexpected fields")?;
    let file = shell::root().join("docs/images/speed.svg");
    std::fs::write(&file, drawing).with_context(|| file.display().to_string())
}

/// Replaces times in docs/data/peers.json, notes where they were measured, and draws the chart.
pub(crate) fn update(measured: &[Measured], machine: &str) -> Result<()> {
    let mut data = read()?;
    replace(&mut data, measured, machine);
    store(&data)
}

/// Replaces all programs in docs/data/peers.json and the lines below the chart, and draws the chart.
pub(crate) fn rewrite(programs: Value, caption: &[String]) -> Result<()> {
    let title = read()?["title"].take();
    store(&json!({"title": title, "caption": caption, "programs": programs}))
}

fn store(data: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(data)? + "\n";
    let file = data_file();
    std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    draw()
}

fn replace(data: &mut Value, measured: &[Measured], machine: &str) {
    for program in data["programs"].as_array_mut().into_iter().flatten() {
        for time in measured {
            if program["name"] == time.program {
                program["seconds"][time.dtype] = json!((time.seconds * 100.0).round() / 100.0);
            }
        }
    }
    if !measured.is_empty() {
        data["bench"] = json!(machine);
    }
}

fn data_file() -> PathBuf {
    shell::root().join("docs/data/peers.json")
}

fn read() -> Result<Value> {
    let file = data_file();
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

/// The chart as SVG; `None` if a field is missing.
fn image(data: &Value) -> Option<String> {
    let programs = data["programs"].as_array()?;
    let slowest = programs
        .iter()
        .filter_map(|program| program["seconds"].as_object())
        .flat_map(|seconds| seconds.values().filter_map(Value::as_f64))
        .fold(0.0, f64::max);
    let mut body = String::new();
    let mut y = 22.0;
    body += &text(10.0, y, "title", data["title"].as_str()?);
    for (dtype, heading) in DTYPES {
        y += LINE + 8.0;
        body += &text(10.0, y, "title", heading);
        for (seconds, program) in fastest_first(programs, dtype) {
            let name = program["name"].as_str()?;
            body += &bar(
                y,
                &label(program, dtype, name),
                name == OURS,
                seconds,
                slowest,
            );
            y += LINE;
        }
        y -= LINE;
    }
    y += 10.0;
    for line in caption(data)? {
        y += 16.0;
        body += &text(10.0, y, "caption", &line);
    }
    let height = y + 12.0;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n{body}</svg>\n",
        escape(data["title"].as_str()?)
    ))
}

/// The programs that have a time for this type.
fn fastest_first<'a>(programs: &'a [Value], dtype: &str) -> Vec<(f64, &'a Value)> {
    let timed = programs
        .iter()
        .filter_map(|program| Some((program["seconds"][dtype].as_f64()?, program)));
    let mut timed: Vec<(f64, &Value)> = timed.collect();
    timed.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    timed
}

fn label(program: &Value, dtype: &str, name: &str) -> String {
    match program["notes"][dtype].as_str() {
        Some(note) => format!("{name} ({note})"),
        None => name.to_owned(),
    }
}

/// Where the figures are from, one line each.
fn caption(data: &Value) -> Option<Vec<String>> {
    let lines = data["caption"].as_array()?.iter();
    let lines = lines.map(|line| line.as_str().map(str::to_owned));
    let mut lines: Vec<String> = lines.collect::<Option<_>>()?;
    if let Some(machine) = data["bench"].as_str() {
        lines.push(format!(
            "glm4v and transformers (f32, bf16) were measured again by `cargo xtask bench`: {machine}."
        ));
    }
    Some(lines)
}

fn bar(y: f64, label: &str, is_ours: bool, seconds: f64, slowest: f64) -> String {
    let width = (BARS_TO - BARS_FROM) * seconds / slowest;
    let class = if is_ours { "ours" } else { "peer" };
    let top = y - BAR + 3.0;
    let bar = format!(
        "<rect class=\"{class}\" x=\"{BARS_FROM}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>\n"
    );
    let value = text(
        BARS_FROM + width + 6.0,
        y,
        "value",
        &format!("{seconds:.2}"),
    );
    text(BARS_FROM - 8.0, y, "label", label) + &bar + &value
}

fn text(x: f64, y: f64, class: &str, text: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y}\">{}</text>\n",
        escape(text)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_chart_shows_the_committed_data() {
        let drawn = std::fs::read_to_string(shell::root().join("docs/images/speed.svg")).unwrap();
        assert_eq!(
            image(&read().unwrap()).unwrap(),
            drawn,
            "run `cargo xtask chart`"
        );
    }

    #[test]
    fn the_slowest_bar_takes_the_whole_width() {
        let bar = bar(50.0, "a < b", true, 2.0, 2.0);
        assert!(bar.contains("width=\"420.0\""), "{bar}");
        assert!(bar.contains("a &lt; b") && bar.contains(">2.00<"), "{bar}");
    }

    #[test]
    fn new_times_replace_the_old_ones() {
        let mut data =
            json!({"programs": [{"name": "glm4v", "seconds": {"f32": 9.0, "bf16": 3.0}}]});
        replace(
            &mut data,
            &[Measured::new("glm4v", "f32", 4.567)],
            "a machine",
        );
        assert_eq!(
            data["programs"][0]["seconds"],
            json!({"f32": 4.57, "bf16": 3.0})
        );
        assert_eq!(data["bench"], "a machine");
    }
}
