use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::table::Peak;

/// One side of the comparison: a process that has loaded the tower and answers requests.
pub(super) struct Side {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The first line that it printed, when it was ready.
    pub(super) greeting: Value,
}

impl Side {
    /// Starts a side and waits until it is ready.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let requests = process.stdin.take().context("the process has no input")?;
        let answers = process.stdout.take().context("the process has no output")?;
        let mut side = Self {
            process,
            requests,
            answers: BufReader::new(answers),
            greeting: Value::Null,
        };
        side.greeting = side.answer()?;
        Ok(side)
    }

    /// Sets the files of the requests that follow. Returns how many patches they have.
    pub(super) fn input(&mut self, files: &[PathBuf]) -> Result<u64> {
        let answer = self.request(&json!(["input", files]))?;
        let patches = answer["patches"].as_u64();
        patches.with_context(|| format!("expected `patches`, found {answer}"))
    }

    /// Makes a request and returns how long it took.
    pub(super) fn seconds(&mut self, verb: &str) -> Result<f64> {
        let answer = self.request(&json!([verb]))?;
        let seconds = answer["seconds"].as_f64();
        seconds.with_context(|| format!("expected `seconds`, found {answer}"))
    }

    /// Most memory since the files were set.
    pub(super) fn peak(&mut self) -> Result<Peak> {
        let answer = self.request(&json!(["peak"]))?;
        Ok(Peak {
            host: answer["mib"].as_f64(),
            gpu: answer["gpu_mib"].as_f64(),
        })
    }

    /// Writes the embeddings to `file` as f32, in little-endian order.
    pub(super) fn save(&mut self, file: &Path) -> Result<()> {
        self.request(&json!(["save", file])).map(|_| ())
    }

    fn request(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.requests, "{request}")?;
        self.requests.flush()?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the process ended: {}", self.process.wait()?);
        }
        answer(&line)
    }
}

/// What a line says. A line with the field `error` is the error.
pub(super) fn answer(line: &str) -> Result<Value> {
    let answer: Value =
        serde_json::from_str(line).with_context(|| format!("expected JSON, found {line}"))?;
    match answer["error"].as_str() {
        Some(error) => bail!("{error}"),
        None => Ok(answer),
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_fails_tells_why() {
        let failed = answer(r#"{"error": "ImportError: no module"}"#).unwrap_err();
        assert_eq!(failed.to_string(), "ImportError: no module");
        assert_eq!(answer(r#"{"mib": 2}"#).unwrap()["mib"], 2);
        assert!(answer("").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_side_that_ends_is_an_error() {
        let Err(error) = Side::start(&mut Command::new("true")) else {
            panic!("it said nothing");
        };
        assert!(
            error
                .to_string()
                .contains("the process ended: exit status: 0"),
            "{error}"
        );
    }
}
