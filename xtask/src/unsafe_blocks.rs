//! The list of `unsafe` blocks in docs/reliability.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{release, shell};

const PAGE: &str = "docs/reliability.md";
const MARK: &str = "unsafe";
const COMMENT: &str = "// SAFETY: ";

/// Writes the list.
pub(crate) fn write() -> Result<()> {
    release::replace_between_marks(&shell::root().join(PAGE), MARK, &table()?)
}

/// Fails if the list is not the present one.
pub(crate) fn check() -> Result<()> {
    let page = shell::root().join(PAGE);
    let text = fs::read_to_string(&page).with_context(|| PAGE.to_owned())?;
    ensure!(
        text.contains(&table()?),
        "{PAGE}: the list of unsafe blocks is old; run `cargo xtask unsafe-blocks`"
    );
    Ok(())
}

fn table() -> Result<String> {
    let root = shell::root();
    let mut table = "| File | Blocks | Why each is sound |\n|---|---:|---|\n".to_owned();
    for file in sources(&root.join("crates"))? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(root)?.display().to_string();
        let found = arguments(&text).with_context(|| name.clone())?;
        for (argument, count) in found {
            table += &format!("| `{name}` | {count} | {argument} |\n");
        }
    }
    Ok(table)
}

/// Every file of Rust below `dir`, sorted.
fn sources(dir: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The arguments of the blocks in a text, each with the number of its blocks.
fn arguments(text: &str) -> Result<BTreeMap<String, usize>> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_unsafe = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.contains("unsafe {") || code.starts_with("unsafe impl")
    };
    let mut found = BTreeMap::new();
    for (number, line) in lines.iter().enumerate() {
        if is_unsafe(line) {
            let argument = argument(&lines[..=number]);
            let argument =
                argument.with_context(|| format!("line {}: no {COMMENT}", number + 1))?;
            *found.entry(argument).or_insert(0) += 1;
        }
    }
    Ok(found)
}

/// The comment before the last of these lines.
fn argument(lines: &[&str]) -> Option<String> {
    let first = lines.iter().rposition(|line| line.starts_with(COMMENT))?;
    let comment = lines[first..].iter();
    let words = comment.map_while(|line| line.strip_prefix("//"));
    let text: Vec<&str> = words.map(str::trim).collect();
    let text = text.join(" ").replace('|', "\\|");
    text.strip_prefix("SAFETY: ").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_with_the_same_argument_are_counted() {
        let text = "// SAFETY: it is\n// sound.\nlet a = unsafe { f() };\n\
                    // SAFETY: it is sound.\nunsafe {\n}\n// unsafe { no }\n\
                    // SAFETY: another.\nunsafe impl Sync for A {}\n";
        let found = arguments(text).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("another.".into(), 1), ("it is sound.".into(), 2)]
        );
        assert!(arguments("unsafe { f() }").is_err());
    }
}
