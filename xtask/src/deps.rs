use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

mod circles;
mod source;

/// Which of our packages each of our packages may depend on.
const MAY_USE: [(&str, &[&str]); 16] = [
    ("glm4v-config", &[]),
    ("glm4v-gguf", &["glm4v-config"]),
    ("glm4v-shards", &["glm4v-config"]),
    ("glm4v-hub", &["glm4v-config", "glm4v-shards"]),
    ("glm4v-store", &["glm4v-config"]),
    ("glm4v-kernels", &[]),
    ("glm4v-preprocess", &["glm4v-config"]),
    ("glm4v-collect", &["glm4v-preprocess"]),
    ("glm4v-model", &["glm4v-config", "glm4v-kernels"]),
    (
        "glm4v-weights",
        &["glm4v-config", "glm4v-gguf", "glm4v-model", "glm4v-shards"],
    ),
    (
        "glm4v",
        &[
            "glm4v-config",
            "glm4v-preprocess",
            "glm4v-hub",
            "glm4v-model",
            "glm4v-store",
            "glm4v-weights",
        ],
    ),
    ("glm4v-cli", &["glm4v", "glm4v-collect", "glm4v-store"]),
    ("glm4v-python", &["glm4v", "glm4v-cli"]),
    ("glm4v-web", &["glm4v", "glm4v-shards"]),
    ("glm4v-tests", &["glm4v"]),
    ("xtask", &[]),
];
/// Packages that work on the host alone.
const HOST_ONLY: [&str; 8] = [
    "glm4v-collect",
    "glm4v-config",
    "glm4v-gguf",
    "glm4v-hub",
    "glm4v-kernels",
    "glm4v-preprocess",
    "glm4v-shards",
    "glm4v-store",
];
/// Packages that run on any backend. They must not choose one.
const BACKEND_FREE: [&str; 2] = ["glm4v-model", "glm4v-weights"];

/// Where direct dependencies are listed.
const LIST: &str = "docs/dependencies.md";

/// Checks four rules: dependencies between packages point one way, only the facade chooses backends, no package has a circle of
/// imports, and dependencies of other origin are listed.
pub(crate) fn check() -> Result<()> {
    let metadata = shell::metadata()?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let list = fs::read_to_string(shell::root().join(LIST)).context(LIST)?;
    let mut circles = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            bail!("{name} is missing in the table of xtask/src/deps.rs");
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            check_dependency(name, dependency, allowed)?;
            check_listed(name, dependency, &list)?;
        }
        circles.extend(circles_of(name, package)?);
    }
    if !circles.is_empty() {
        bail!(
            "modules import each other in a circle:\n{}",
            circles.join("\n")
        );
    }
    println!(
        "{} packages: dependencies point one way, no circle of imports",
        packages.len()
    );
    Ok(())
}

/// The circles of imports in the libraries and programs of a package.
fn circles_of(name: &str, package: &Value) -> Result<Vec<String>> {
    let programs = ["lib", "cdylib", "bin"];
    let mut found = Vec::new();
    for target in package["targets"].as_array().into_iter().flatten() {
        let kind = target["kind"][0].as_str().unwrap_or_default();
        if programs.contains(&kind) {
            let root = target["src_path"]
                .as_str()
                .context("a target without file")?;
            let circles = circles::find(Path::new(root))?.into_iter();
            found.extend(circles.map(|circle| format!("{name}:\n{circle}")));
        }
    }
    Ok(found)
}

fn check_listed(package: &str, dependency: &Value, list: &str) -> Result<()> {
    let name = dependency["name"].as_str().unwrap_or_default();
    let ours = MAY_USE.iter().any(|(known, _)| *known == name);
    if ours || list.contains(&format!("\n| {name} |")) {
        return Ok(());
    }
    bail!(
        "{package} depends on {name}, which {LIST} does not list: docs/data/dependencies.py writes it"
    );
}

fn check_dependency(package: &str, dependency: &Value, allowed: &[&str]) -> Result<()> {
    let name = dependency["name"].as_str().unwrap_or_default();
    let ours = MAY_USE.iter().any(|(known, _)| *known == name);
    if ours && !allowed.contains(&name) {
        bail!("{package} must not depend on {name}: xtask/src/deps.rs lists what it may use");
    }
    if name.starts_with("burn") && HOST_ONLY.contains(&package) {
        bail!("{package} works on the host alone and must not depend on {name}");
    }
    let for_tests = dependency["kind"] == "dev";
    let features = dependency["features"].as_array().map_or(0, Vec::len);
    if name == "burn" && BACKEND_FREE.contains(&package) && !for_tests && features > 1 {
        bail!("{package} must not enable features of burn other than std");
    }
    Ok(())
}
