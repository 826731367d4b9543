use std::process::Command;

use anyhow::Result;

use crate::{full, shell};

/// The full-size tower that is compared and timed.
pub(crate) const PRESET: &str = "glm-4.1v-9b";

/// Arguments of `test-parity`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// flex, ndarray, wgpu, vulkan, metal, cuda, one of them with an index (cuda:1), or all: flex, ndarray and wgpu
    #[arg(long, default_value = "all")]
    backend: String,
    /// Type of the parameters: f32, f16 or bf16
    #[arg(long, default_value = "f32")]
    pub(crate) dtype: String,
    /// How a GPU attends, as in `glm4v encode --attention-method`
    #[arg(long, default_value = "auto")]
    attention: String,
    /// What else burn is built with: fusion, autotune
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// Golden cases to compare, by their names [default: all]
    #[arg(long, value_delimiter = ',', conflicts_with = "full")]
    case: Vec<String>,
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
            attention: "auto".into(),
            features: Vec::new(),
            case: Vec::new(),
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
        for case in &self.case {
            command.args(["--case", case]);
        }
        command.args(["--dtype", &self.dtype, "--attention", &self.attention])
    }

    /// What the programs are built with: the backends, and what else was asked for.
    pub(crate) fn built_with(&self) -> Vec<&str> {
        let features = self.features.iter().map(String::as_str);
        self.backends().into_iter().chain(features).collect()
    }
}

/// Runs the parity table.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.full {
        return full::run(args);
    }
    let features = extra_features(&args.built_with());
    let cargo = |arguments: &[&str]| {
        let mut command = shell::cargo(arguments);
        if !features.is_empty() {
            command.args(["--features", &features]);
        }
        command
    };
    // The whole workspace and its tests, so that nothing is built twice.
    let mut build = cargo(&["build", "--quiet", "--workspace", "--bins", "--tests"]);
    shell::run(&mut build)?;
    let program = shell::target_dir()?.join("debug/parity");
    shell::run(args.apply(&mut Command::new(program)))?;
    // What comes before the tower, on every picture, clip, video and option there is a golden of.
    let mut preprocessing = cargo(&["test", "--quiet", "--workspace"]);
    for test in ["golden", "clips", "videos"] {
        preprocessing.args(["--test", test]);
    }
    shell::run(&mut preprocessing)
}

/// Features beyond those that the tests have built in.
fn extra_features(features: &[&str]) -> String {
    features
        .iter()
        .filter_map(|feature| feature.split(':').next())
        .filter(|feature| !["flex", "ndarray", "wgpu", "auto"].contains(feature))
        .map(|feature| format!("glm4v-tests/{feature}"))
        .collect::<Vec<_>>()
        .join(",")
}
