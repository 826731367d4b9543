use anyhow::Result;

use crate::{deps, parity, shell};

/// All that must pass before a change lands but the tests, cheapest first.
pub(crate) fn run() -> Result<()> {
    shell::run(&mut shell::cargo(["fmt", "--all", "--check"]))?;
    deps::check()?;
    let clippy = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--features=glm4v-web/host",
        "--",
        "-D",
        "warnings",
    ];
    shell::run(&mut shell::cargo(clippy))?;
    let doc = ["doc", "--quiet", "--workspace", "--no-deps"];
    shell::run(shell::cargo(doc).env("RUSTDOCFLAGS", "-D warnings"))?;
    parity::run(&parity::Args::default())?;
    // burn's build script for cuda downloads a compiler unless it believes itself on docs.rs; types are checked anyway.
    let cuda = [
        "check",
        "--quiet",
        "--package",
        "glm4v-cli",
        "--features",
        "cuda",
    ];
    shell::run(shell::cargo(cuda).env("DOCS_RS", "1"))
}
