//! `manifest.json`: what the job is. It is written once, and a resumed job must agree with it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::list::InputList;
use crate::disk::Disk;
use crate::new_file::NewFile;
use crate::{Settings, StoreError, difference};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The version of the directory's layout.
    layout: u32,
    #[serde(flatten)]
    pub(super) settings: Settings,
    pub(super) inputs: InputList,
}

impl Manifest {
    /// Changes when files of an older version cannot be continued.
    const LAYOUT: u32 = 1;
    pub(super) const NAME: &str = "manifest.json";

    pub(super) fn new(settings: &Settings, inputs: InputList) -> Self {
        Self {
            layout: Self::LAYOUT,
            settings: settings.clone(),
            inputs,
        }
    }

    /// Reads the manifest of `dir`, if there is one.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = dir.join(Self::NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&path)(error)),
        };
        let damaged = |error: serde_json::Error| {
            let problem = format!(
                "not a valid manifest: {error}; restore the file, or choose an empty directory"
            );
            StoreError::damaged(&path, problem)
        };
        let value: Value = serde_json::from_slice(&text).map_err(damaged)?;
        if value["layout"] != Self::LAYOUT {
            return Err(StoreError::Layout {
                expected: Self::LAYOUT,
                found: value["layout"].to_string(),
                path,
            });
        }
        serde_json::from_value(value).map(Some).map_err(damaged)
    }

    pub(super) fn write(&self, disk: &Arc<dyn Disk>, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(Self::NAME);
        let mut file = NewFile::create(disk, &path)?;
        let text = serde_json::to_string_pretty(self).map_err(io::Error::from);
        text.and_then(|text| writeln!(file, "{text}"))
            .map_err(StoreError::io(&path))?;
        file.publish()?;
        Ok(())
    }

    /// Checks that the job has these settings.
    pub(super) fn check_settings(&self, settings: &Settings, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(Self::NAME);
        let given = Self::new(settings, self.inputs.clone());
        let [stored, given] = [self, &given].map(|manifest| manifest.value(&path));
        let differences = difference::between(&stored?, &given?);
        match differences.is_empty() {
            true => Ok(()),
            false => Err(StoreError::Changed { path, differences }),
        }
    }

    /// The text that shards repeat.
    pub(super) fn line(&self, dir: &Path) -> Result<String, StoreError> {
        Ok(self.value(&dir.join(Self::NAME))?.to_string())
    }

    fn value(&self, path: &Path) -> Result<Value, StoreError> {
        let value = serde_json::to_value(self).map_err(io::Error::from);
        value.map_err(StoreError::io(path))
    }
}
