//! The files in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The content of every file below a folder, by its path in the folder.
pub(super) type Tree = BTreeMap<String, Vec<u8>>;

pub(super) fn read(dir: &Path) -> Result<Tree> {
    let (mut tree, mut folders) = (Tree::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(dir)?.to_string_lossy().into_owned();
            let content = fs::read(&path).with_context(|| path.display().to_string())?;
            tree.insert(name, content);
        }
    }
    Ok(tree)
}

pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    for (name, content) in read(from)? {
        let path = to.join(name);
        let folder = path.parent().context("a path in a folder")?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        fs::write(&path, content).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
