use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

/// What each of our packages may depend on of ours; whatever is not here, on none.
const MAY_USE: [(&str, &[&str]); 12] = [
    ("glm4v-config", &[]),
    ("glm4v-shards", &["glm4v-config"]),
    ("glm4v-hub", &["glm4v-config", "glm4v-shards"]),
    ("glm4v-kernels", &[]),
    ("glm4v-preprocess", &["glm4v-config"]),
    ("glm4v-model", &["glm4v-config", "glm4v-kernels"]),
    (
        "glm4v-weights",
        &["glm4v-config", "glm4v-model", "glm4v-shards"],
    ),
    (
        "glm4v",
        &[
            "glm4v-config",
            "glm4v-preprocess",
            "glm4v-hub",
            "glm4v-model",
            "glm4v-weights",
        ],
    ),
    ("glm4v-cli", &["glm4v"]),
    ("glm4v-web", &["glm4v", "glm4v-shards"]),
    ("glm4v-tests", &["glm4v"]),
    ("xtask", &[]),
];
/// Packages that know no device.
const HOST_ONLY: [&str; 5] = [
    "glm4v-config",
    "glm4v-hub",
    "glm4v-kernels",
    "glm4v-preprocess",
    "glm4v-shards",
];
/// Packages that run on any backend and therefore choose none.
const BACKEND_FREE: [&str; 2] = ["glm4v-model", "glm4v-weights"];

/// Checks that dependencies point one way, and that backends are chosen by the facade alone.
pub(crate) fn check() -> Result<()> {
    let metadata = shell::metadata()?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            bail!("{name} is not in the table of xtask/src/deps.rs");
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            check_dependency(name, dependency, allowed)?;
        }
    }
    println!("dependencies of {} packages point one way", packages.len());
    Ok(())
}

fn check_dependency(package: &str, dependency: &Value, allowed: &[&str]) -> Result<()> {
    let name = dependency["name"].as_str().unwrap_or_default();
    let ours = MAY_USE.iter().any(|(known, _)| *known == name);
    if ours && !allowed.contains(&name) {
        bail!("{package} must not depend on {name}");
    }
    if name.starts_with("burn") && HOST_ONLY.contains(&package) {
        bail!("{package} works on the host alone and must not depend on {name}");
    }
    let for_tests = dependency["kind"] == "dev";
    let features = dependency["features"].as_array().map_or(0, Vec::len);
    if name == "burn" && BACKEND_FREE.contains(&package) && !for_tests && features > 1 {
        bail!("{package} must enable no feature of burn but std");
    }
    Ok(())
}
