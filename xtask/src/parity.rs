use std::process::Command;

use anyhow::Result;

use crate::release::PRESET;
use crate::shell;

/// Arguments of `test-parity`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// flex, ndarray, wgpu, vulkan, metal or cuda, with an index if needed (cuda:1). all is flex, ndarray and wgpu
    #[arg(long, default_value = "all")]
    backend: String,
    /// Type of the parameters: f32, f16 or bf16; on flex also int8
    #[arg(long, default_value = "f32")]
    pub(crate) dtype: String,
    /// The attention method, as in `glm4v encode --attention-method`
    #[arg(long, default_value = "auto")]
    attention: String,
    /// More features to build: cuda-cpp, autotune
    #[arg(long = "features", value_delimiter = ',')]
    burn_features: Vec<String>,
    /// Golden cases to compare, by their names [default: all]
    #[arg(long, value_delimiter = ',', conflicts_with = "full")]
    case: Vec<String>,
    /// Skip a backend whose device is missing, and say so, instead of failing
    #[arg(long)]
    allow_missing: bool,
    /// Run transformers and the full-size tower on one image and the same random weights; compare and time both
    #[arg(long)]
    pub(crate) full: bool,
    /// The model, with --full: a preset of `glm4v init`
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
            burn_features: Vec::new(),
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

    /// Adds the arguments of the program `parity` that both kinds of comparison use.
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

    /// The features of the programs: the backends, and those of burn.
    pub(crate) fn features(&self) -> impl Iterator<Item = &str> {
        let burn = self.burn_features.iter().map(String::as_str);
        self.backends().into_iter().chain(burn)
    }
}

/// Prints the parity table, and tests the preprocessing that comes before the tower.
pub(crate) fn run(args: &Args) -> Result<()> {
    let features = features(args.features());
    let cargo = |arguments: &[&str]| {
        let mut command = shell::cargo(arguments);
        command.args(["--features", &features]);
        command
    };
    // All packages and their tests are built, so that later commands with these features build nothing.
    shell::run(&mut cargo(&[
        "build",
        "--quiet",
        "--workspace",
        "--bins",
        "--tests",
    ]))?;
    let program = shell::target_dir()?.join("debug/parity");
    shell::run(args.apply(&mut Command::new(program)))?;
    // Every image, video and option that has a golden.
    let mut preprocessing = cargo(&["test", "--quiet", "--workspace"]);
    for test in ["golden", "videos"] {
        preprocessing.args(["--test", test]);
    }
    shell::run(&mut preprocessing)
}

/// The features of the tests crate, as cargo reads them.
pub(crate) fn features<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names = names.into_iter();
    let names = names.filter_map(|name| name.split(':').next());
    let known = names.filter(|name| *name != "auto");
    known
        .map(|name| format!("glm4v-tests/{name}"))
        .collect::<Vec<_>>()
        .join(",")
}
