//! What rounding changes for a program that searches embeddings: nearest neighbours in bf16 and int8 beside those in f32.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::release::{self, Release, replace_between_marks};
use crate::{python, shell};

/// Arguments of `neighbours`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The model: a preset of `glm4v init`, whose weights are random
    #[arg(long, default_value = "medium")]
    preset: String,
    /// A checkpoint, instead of random weights of the preset
    #[arg(long, value_name = "DIR", conflicts_with = "preset")]
    checkpoint: Option<PathBuf>,
    /// Data types that are compared with f32
    #[arg(long, value_delimiter = ',', default_value = "bf16,int8")]
    dtype: Vec<String>,
    /// Threads [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// Write the table to docs/parity.md
    #[arg(long)]
    write: bool,
}

/// Encodes crops of photos in every type, and compares the nearest neighbours.
pub(crate) fn run(args: &Args) -> Result<()> {
    let release = Release::build(["flex"])?;
    let (checkpoint, weights) = match &args.checkpoint {
        Some(checkpoint) => (checkpoint.clone(), checkpoint.display().to_string()),
        None => (
            release.checkpoint(&args.preset)?,
            format!("{}, random", args.preset),
        ),
    };
    let folder = release.work.join("neighbours");
    let crops = folder.join("crops");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::create_dir_all(&crops).with_context(|| crops.display().to_string())?;
    let python = python::peers()?;
    let script = shell::root().join("tests/peers/neighbours.py");
    let script = |verb: &str| {
        let mut command = Command::new(&python);
        command.arg(&script).arg(verb);
        command
    };
    shell::run(script("crops").arg(&crops))?;

    let mut compare = script("compare");
    let dtypes = std::iter::once("f32").chain(args.dtype.iter().map(String::as_str));
    for dtype in dtypes {
        let output = folder.join(format!("{dtype}.safetensors"));
        encode(&release, &checkpoint, &crops, dtype, &output, args.threads)?;
        compare.arg(output);
    }
    let answers = shell::output(&mut compare)?;
    let table = table(&weights, &args.dtype, &answers)?;
    println!("{table}");
    if args.write {
        replace_between_marks(&shell::root().join("docs/parity.md"), "neighbours", &table)?;
    }
    Ok(())
}

fn encode(
    release: &Release,
    checkpoint: &Path,
    images: &Path,
    dtype: &str,
    output: &Path,
    threads: Option<usize>,
) -> Result<()> {
    let mut command = release.program("glm4v");
    command.arg("encode").arg(images).arg("-m").arg(checkpoint);
    command.args(["--quiet", "--device", "flex", "--dtype", dtype, "-o"]);
    release::set_threads(&mut command, threads);
    shell::run(command.arg(output))
}

/// The table: one row for each line that the script printed.
fn table(weights: &str, dtypes: &[String], answers: &str) -> Result<String> {
    let mut text = String::new();
    for (dtype, line) in dtypes.iter().zip(answers.lines()) {
        let answer: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let row = row(weights, dtype, &answer);
        text += &row.with_context(|| format!("unexpected fields: {line}"))?;
    }
    Ok(format!(
        "| weights | images | tokens | type | relative L2 | mean cosine of a token | smallest cosine | neighbours of images | \
         neighbours of tokens |\n|---|---|---|---|---|---|---|---|---|\n{text}"
    ))
}

fn row(weights: &str, dtype: &str, answer: &Value) -> Option<String> {
    let number = |name: &str| answer[name].as_f64();
    Some(format!(
        "| {weights} | {} | {} | {dtype} | {:.1e} | {:.5} | {:.5} | {:.1} % | {:.1} % |\n",
        answer["images"].as_u64()?,
        answer["tokens"].as_u64()?,
        number("relative_l2")?,
        number("mean_cosine")?,
        number("smallest_cosine")?,
        100.0 * number("image_neighbours")?,
        100.0 * number("token_neighbours")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_shares_in_percent() {
        let answer = r#"{"images": 153, "tokens": 9792, "relative_l2": 0.0512, "mean_cosine": 0.9987, "smallest_cosine": 0.99,
            "image_neighbours": 0.975, "token_neighbours": 0.5}"#;
        let found = table("tiny, random", &["int8".into()], &answer.replace('\n', " ")).unwrap();
        let row =
            "| tiny, random | 153 | 9792 | int8 | 5.1e-2 | 0.99870 | 0.99000 | 97.5 % | 50.0 % |";
        assert_eq!(found.lines().last(), Some(row));
    }

    #[test]
    fn a_missing_field_is_an_error() {
        assert!(table("tiny", &["bf16".into()], "{}").is_err());
        assert!(table("tiny", &["bf16".into()], "no JSON").is_err());
    }
}
