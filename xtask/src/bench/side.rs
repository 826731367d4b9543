use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::table::Peak;

/// One side of the comparison: a process that has loaded the tower, and does what it is asked.
pub(super) struct Side {
    process: Child,
    asking: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What it said when it was ready.
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
        let asking = process.stdin.take().context("no input")?;
        let answers = BufReader::new(process.stdout.take().context("no output")?);
        let mut side = Self {
            process,
            asking,
            answers,
            greeting: Value::Null,
        };
        side.greeting = side.answer()?;
        Ok(side)
    }

    /// From here on, these files; how many patches they are.
    pub(super) fn input(&mut self, files: &[PathBuf]) -> Result<u64> {
        let answer = self.ask(&json!(["input", files]))?;
        answer["patches"].as_u64().context("no patches")
    }

    /// How long it takes to do something.
    pub(super) fn seconds(&mut self, verb: &str) -> Result<f64> {
        self.ask(&json!([verb]))?["seconds"]
            .as_f64()
            .context("no time")
    }

    /// Most memory since the last input.
    pub(super) fn peak(&mut self) -> Result<Peak> {
        let answer = self.ask(&json!(["peak"]))?;
        Ok(Peak {
            host: answer["mib"].as_f64(),
            gpu: answer["gpu_mib"].as_f64(),
        })
    }

    fn ask(&mut self, what: &Value) -> Result<Value> {
        writeln!(self.asking, "{what}")?;
        self.asking.flush()?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("one side said: {line}"))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
