use std::process::Command;

use anyhow::Result;

use crate::{full, shell};

const PRESET: &str = "glm-4.1v-9b";

/// Arguments of `test-parity`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// flex, ndarray, wgpu, vulkan, metal, cuda, one of them with an index (cuda:1), or all: flex, ndarray and wgpu
    #[arg(long, default_value = "all")]
    backend: String,
    /// Type of the parameters: f32, f16 or bf16
    #[arg(long, default_value = "f32")]
    pub(crate) dtype: String,
    /// Skip a backend whose device is missing, aloud, instead of failing
    #[arg(long)]
    allow_missing: bool,
    /// Compare the full-size tower, random, on a real photo with transformers run beside it, and time both
    #[arg(long)]
    pub(crate) full: bool,
    /// Which of the family, with --full: a preset of `glm4v init`
    #[arg(long, default_value = PRESET)]
    pub(crate) preset: String,
    /// Timed runs of each side, with --full
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) repeat: u16,
    /// Threads of each side, with --full [default: all]
    #[arg(long)]
    pub(crate) threads: Option<usize>,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            backend: "all".into(),
            dtype: "f32".into(),
            allow_missing: false,
            full: false,
            preset: PRESET.into(),
            repeat: 3,
            threads: None,
        }
    }
}

impl Args {
    pub(crate) fn backends(&self) -> Vec<&str> {
        match self.backend.as_str() {
            "all" if self.full => vec!["flex"],
            "all" => vec!["flex", "ndarray", "wgpu"],
            one => vec![one],
        }
    }

    /// Arguments of the parity program that both kinds of comparison take.
    pub(crate) fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for backend in self.backends() {
            command.args(["--backend", backend]);
        }
        if !self.allow_missing {
            command.arg("--require");
        }
        command.args(["--dtype", &self.dtype])
    }
}

/// Runs the parity table.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.full {
        return full::run(args);
    }
    let features = extra_features(&args.backends());
    // The whole workspace and its tests, so that nothing is built twice.
    let mut build = shell::cargo(["build", "--quiet", "--workspace", "--bins", "--tests"]);
    if !features.is_empty() {
        build.args(["--features", &features]);
    }
    shell::run(&mut build)?;
    let program = shell::target_dir()?.join("debug/parity");
    shell::run(args.apply(&mut Command::new(program)))?;
    // What comes before the tower, on every picture, clip, video and option there is a golden of.
    let mut preprocessing = shell::cargo(["test", "--quiet", "--workspace"]);
    for test in ["golden", "clips", "videos"] {
        preprocessing.args(["--test", test]);
    }
    shell::run(&mut preprocessing)
}

/// Backends beyond those that the tests have built in.
fn extra_features(backends: &[&str]) -> String {
    backends
        .iter()
        .filter_map(|backend| backend.split(':').next())
        .filter(|backend| !["flex", "ndarray", "wgpu", "auto"].contains(backend))
        .map(|backend| format!("glm4v-tests/{backend}"))
        .collect::<Vec<_>>()
        .join(",")
}
