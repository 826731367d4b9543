use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use glm4v_config::{ConfigError, ProcessorFiles};
use glm4v_shards::Index;

use crate::revision::{Revision, is_commit};
use crate::{HubError, ModelId};

/// A cache with the layout of Hugging Face: `models--OWNER--NAME` with `refs/REVISION` and `snapshots/COMMIT`.
#[derive(Clone, Debug)]
pub(crate) struct HfCache {
    pub(crate) root: PathBuf,
}

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const SINGLE: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";

impl HfCache {
    pub(crate) fn model(&self, model: &ModelId) -> PathBuf {
        self.root.join(model.folder())
    }

    pub(crate) fn snapshots(&self, model: &ModelId) -> PathBuf {
        self.model(model).join("snapshots")
    }

    pub(crate) fn snapshot(&self, model: &ModelId, commit: &str) -> PathBuf {
        self.snapshots(model).join(commit)
    }

    pub(crate) fn refs(&self, model: &ModelId) -> PathBuf {
        self.model(model).join("refs")
    }

    pub(crate) fn ref_file(&self, model: &ModelId, revision: &Revision) -> PathBuf {
        let mut file = self.refs(model);
        file.extend(revision.components());
        file
    }

    /// The commit of `revision` at the last request to the hub, and the time of that request.
    pub(crate) fn recorded(
        &self,
        model: &ModelId,
        revision: &Revision,
    ) -> Option<(SystemTime, String)> {
        let file = self.ref_file(model, revision);
        let commit = read_ref(&file)?;
        let time = file.metadata().and_then(|metadata| metadata.modified());
        Some((time.unwrap_or(SystemTime::UNIX_EPOCH), commit))
    }

    /// The commits of `model` that have a snapshot and begin with `start`.
    pub(crate) fn commits(&self, model: &ModelId, start: &str) -> Vec<String> {
        let names = entries(&self.snapshots(model)).into_iter();
        let names = names.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        names
            .filter(|name| is_commit(name) && name.starts_with(start))
            .collect()
    }
}

/// The commit in a file of `refs`.
pub(crate) fn read_ref(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let commit = text.trim();
    is_commit(commit).then(|| commit.to_owned())
}

/// The paths in a directory, sorted. Empty if there is no directory.
pub(crate) fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The vision files that `dir` lacks. A dangling link counts as missing.
pub(crate) fn missing_files(dir: &Path) -> Vec<String> {
    let mut names = vec![CONFIG.to_owned()];
    match shards(dir) {
        Ok(shards) => names.extend(shards),
        Err(error) => return vec![error.to_string()],
    }
    names.retain(|name| !dir.join(name).is_file());
    if !has_processor(dir) {
        names.push(ProcessorFiles::IMAGE.to_owned());
    }
    names
}

/// Whether `dir` has an image processor, in either layout.
pub(crate) fn has_processor(dir: &Path) -> bool {
    // A file that is refused is not fetched again: its error is shown when it is loaded.
    match ProcessorFiles::from_dir(dir).and_then(|files| files.image()) {
        Err(ConfigError::NoImageProcessor { .. }) => false,
        Ok(_) | Err(_) => true,
    }
}

/// The names of the files with the vision tower, whether `dir` has them or not.
fn shards(dir: &Path) -> Result<Vec<String>, HubError> {
    let index = dir.join(INDEX);
    if dir.join(SINGLE).is_file() || !index.is_file() {
        return Ok(vec![SINGLE.to_owned()]);
    }
    let shown = index.display().to_string();
    let text = fs::read_to_string(&index).map_err(HubError::io(&index))?;
    let index = Index::parse(&text, &shown)?;
    Ok(index
        .shards(&shown)?
        .keys()
        .map(|&shard| shard.to_owned())
        .collect())
}
