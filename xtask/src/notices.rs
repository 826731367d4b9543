//! The licences of the crates that a wheel contains.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;

/// How the names of files with licences begin, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];
/// How deep a crate has the licences of C code that it contains.
const DEPTH: usize = 2;

const HEAD: &str = "\
This package contains the software that is listed here. Each entry names the crates, their licences and the text of their
files. A crate with several licences joined by OR is used under the first of them that this file has a text of.
";

/// The licences of the dependencies of `package`, as one text.
pub(crate) fn of(package: &str) -> Result<String> {
    let used = dependencies(package)?;
    let metadata = shell::output(&mut shell::cargo([
        "metadata",
        "--format-version=1",
        "--locked",
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let (mut list, mut texts) = (BTreeSet::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let text = |field: &str| package[field].as_str().unwrap_or_default();
        let name = format!("{} {}", text("name"), text("version"));
        // Packages of the workspace have no source, and the licence of the wheel.
        if package["source"].is_null() || !used.contains(&name) {
            continue;
        }
        list.insert(format!(
            "{name}: {}, {}",
            text("license"),
            text("repository")
        ));
        let manifest = Path::new(text("manifest_path"));
        let folder = manifest.parent().context("a manifest without folder")?;
        for file in licences(folder, DEPTH)? {
            let text = fs::read(&file).with_context(|| file.display().to_string())?;
            let text = String::from_utf8_lossy(&text).trim().replace("\r\n", "\n");
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    let mut notices = HEAD.to_owned();
    for line in &list {
        write!(notices, "\n- {line}")?;
    }
    for (text, names) in &texts {
        let names = Vec::from_iter(names.iter().map(String::as_str)).join(", ");
        write!(notices, "\n\n{}\n{names}\n\n{text}", "=".repeat(100))?;
    }
    notices.push('\n');
    Ok(notices)
}

/// Names and versions of what `package` is linked from.
fn dependencies(package: &str) -> Result<BTreeSet<String>> {
    let tree = [
        "tree",
        "--locked",
        "--edges=normal",
        "--prefix=none",
        "--format={p}",
    ];
    let tree = shell::output(shell::cargo(tree).args(["--package", package]))?;
    let name = |line: &str| {
        let mut words = line.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some(format!("{name} {version}"))
    };
    Ok(tree.lines().filter_map(name).collect())
}

/// Files with licences in `folder`, and in its folders to this depth.
fn licences(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().to_uppercase();
        let is_licence =
            NAMES.iter().any(|start| name.starts_with(start)) && !name.ends_with(".RS");
        if path.is_dir() && depth > 0 {
            found.extend(licences(&path, depth - 1)?);
        } else if is_licence && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
