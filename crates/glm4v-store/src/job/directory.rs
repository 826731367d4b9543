//! The files of a job's directory, by name.

use std::fs;
use std::io;
use std::path::Path;

use super::list::InputList;
use super::lock::Lock;
use super::manifest::Manifest;
use super::row_file::RowFile;
use crate::StoreError;
use crate::disk::Disk;
use crate::new_file::TEMPORARY;

/// The file that says that a job is complete.
pub(super) const SUMMARY: &str = "summary.json";

/// A directory without a manifest may have only what an interrupted start leaves.
pub(super) fn refuse_foreign_files(dir: &Path) -> Result<(), StoreError> {
    if dir.join(Manifest::NAME).exists() {
        return Ok(());
    }
    let is_ours = |name: &str| [InputList::NAME, Lock::NAME].contains(&name) || is_temporary(name);
    match names(dir)?.into_iter().find(|name| !is_ours(name)) {
        Some(found) => Err(StoreError::NotAJob {
            dir: dir.into(),
            found,
        }),
        None => Ok(()),
    }
}

/// Removes what a process that was killed has left. The lock is ours, so no other process is writing.
pub(super) fn remove_temporary_files(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    for name in names(dir)?.iter().filter(|name| is_temporary(name)) {
        let path = dir.join(name);
        disk.remove(&path).map_err(StoreError::io(&path))?;
    }
    Ok(())
}

/// Removes the rows of shards that are finished, or that do not follow them. `kept` is the name of the open shard's rows.
pub(super) fn remove_other_rows(
    disk: &dyn Disk,
    dir: &Path,
    kept: Option<&str>,
) -> Result<(), StoreError> {
    let is_other = |name: &&String| RowFile::is_name(name) && Some(&name[..]) != kept;
    for name in names(dir)?.iter().filter(is_other) {
        let path = dir.join(name);
        disk.remove(&path).map_err(StoreError::io(&path))?;
    }
    Ok(())
}

/// Whether `name` is a temporary file of a job, and not a file of the user.
fn is_temporary(name: &str) -> bool {
    let known = [Manifest::NAME, InputList::NAME, SUMMARY];
    let stem = name
        .strip_suffix(TEMPORARY)
        .and_then(|stem| stem.strip_suffix('.'));
    stem.is_some_and(|stem| known.contains(&stem) || stem.starts_with("shard-"))
}

/// The names of everything in a directory, sorted. A directory that does not exist has none.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(StoreError::io(dir))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names
        .collect::<io::Result<_>>()
        .map_err(StoreError::io(dir))?;
    names.sort();
    Ok(names)
}
