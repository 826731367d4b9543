use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use glm4v_shards::Index;

use crate::revision::{Revision, is_commit};
use crate::{HubError, ModelId};

/// A cache in Hugging Face's layout: `models--OWNER--NAME` with `refs/REVISION` and `snapshots/COMMIT`.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    pub(crate) root: PathBuf,
}

/// What a directory lacks for being a checkpoint's vision side; nothing if it is one.
pub(crate) type Lacking = Vec<String>;

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const PREPROCESSOR: &str = "preprocessor_config.json";
pub(crate) const VIDEO_PREPROCESSOR: &str = "video_preprocessor_config.json";
pub(crate) const SINGLE: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";

impl Cache {
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

    /// The commit that `revision` was when it was last asked for, and when that was.
    pub(crate) fn noted(
        &self,
        model: &ModelId,
        revision: &Revision,
    ) -> Option<(SystemTime, String)> {
        let file = self.ref_file(model, revision);
        let commit = read_ref(&file)?;
        let time = file.metadata().and_then(|metadata| metadata.modified());
        Some((time.unwrap_or(SystemTime::UNIX_EPOCH), commit))
    }

    /// The commits of `model` that begin with `start` and have a snapshot.
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

/// What is in a directory, in order; nothing if there is no directory.
pub(crate) fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// What of the vision side is not in `dir`. A link to what is no longer there counts as missing.
pub(crate) fn lacking(dir: &Path) -> Lacking {
    let configs = [CONFIG, PREPROCESSOR].map(str::to_owned);
    let mut names: Vec<String> = configs.into();
    match shards(dir) {
        Ok(shards) => names.extend(shards),
        Err(error) => return vec![error.to_string()],
    }
    names.retain(|name| !dir.join(name).is_file());
    names
}

/// The files that hold the vision tower in `dir`, whether they are there or not.
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
