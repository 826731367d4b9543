use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::shell;

/// Arguments of `test-llama`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The sources of llama.cpp, as in the crate llama-cpp-sys-2: the directory that contains tools/mtmd/clip.cpp [default:
    /// the variable GLM4V_LLAMA]
    #[arg(long)]
    sources: Option<PathBuf>,
    /// The program cmake
    #[arg(long, default_value = "cmake")]
    cmake: PathBuf,
}

/// Builds the vision encoder of llama.cpp, and compares its embeddings with ours for the GGUF files that we export.
/// Without its sources or cmake, the comparison is skipped with a message.
pub(crate) fn run(args: &Args) -> Result<()> {
    let named = std::env::var_os("GLM4V_LLAMA").map(PathBuf::from);
    let sources = args.sources.clone().or(named);
    let Some(sources) = sources.filter(|dir| has_encoder(dir)) else {
        eprintln!(
            "SKIPPED llama.cpp: --sources or GLM4V_LLAMA names no directory with tools/mtmd/clip.cpp"
        );
        return Ok(());
    };
    if Command::new(&args.cmake).arg("--version").output().is_err() {
        eprintln!(
            "SKIPPED llama.cpp: there is no program {}",
            args.cmake.display()
        );
        return Ok(());
    }
    let program = build(&args.cmake, &sources.canonicalize()?)?;
    let compare = [
        "run",
        "--release",
        "--package=glm4v-tests",
        "--bin=llama",
        "--",
    ];
    shell::run(shell::cargo(compare).arg(program))
}

fn has_encoder(sources: &Path) -> bool {
    sources.join("tools/mtmd/clip.cpp").is_file()
}

/// The program that prints embeddings of llama.cpp.
fn build(cmake: &Path, sources: &Path) -> Result<PathBuf> {
    let build = shell::target_dir()?.join("llama");
    let mut configure = Command::new(cmake);
    configure
        .arg("-S")
        .arg(shell::root().join("xtask/src/llama"));
    configure.arg("-B").arg(&build);
    configure.arg(format!("-DLLAMA={}", sources.display()));
    shell::run(configure.arg("-DCMAKE_BUILD_TYPE=Release"))?;
    shell::run(
        Command::new(cmake)
            .arg("--build")
            .arg(&build)
            .arg("--parallel"),
    )?;
    Ok(build.join("llama-embed"))
}
