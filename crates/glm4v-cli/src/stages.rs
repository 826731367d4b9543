//! The times of a command's stages.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long each stage of a command took.
#[derive(Default)]
pub(crate) struct Stages(Vec<(&'static str, Duration)>);

impl Stages {
    /// Runs `work` and adds its time to the stage `name`.
    pub(crate) fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        let elapsed = start.elapsed();
        match self.0.iter_mut().find(|(stage, _)| *stage == name) {
            Some((_, total)) => *total += elapsed,
            None => self.0.push((name, elapsed)),
        }
        result
    }

    /// Seconds by stage, as JSON.
    pub(crate) fn json(&self) -> Value {
        let stages = self.0.iter();
        let seconds = stages.map(|(name, time)| ((*name).to_owned(), json!(time.as_secs_f64())));
        Value::Object(seconds.collect())
    }
}

impl std::fmt::Display for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (name, time)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name} {:.3} s", time.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_repeated_stage_are_summed() {
        let mut stages = Stages::default();
        for name in ["a", "b", "a"] {
            stages.time(name, || ());
        }
        let text = stages.to_string();
        assert!(
            text.starts_with("a 0.0") && text.matches(" s").count() == 2,
            "{text}"
        );
    }
}
