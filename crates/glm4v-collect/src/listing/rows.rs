use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::found::{Found, Producer, Progress};
use super::named;
use crate::manifest::{self, Row, Rows};
use crate::{CollectError, Entry, Location, Manifest, path_text};

/// A manifest whose rows come next.
pub(super) struct ManifestRows {
    rows: Box<dyn Rows>,
    manifest: PathBuf,
}

impl ManifestRows {
    pub(super) fn open(manifest: &Manifest) -> Result<Self, CollectError> {
        Ok(Self {
            rows: manifest::open(manifest)?,
            manifest: manifest.path.clone(),
        })
    }

    fn entry(&self, row: Row) -> Result<Entry, CollectError> {
        let entry = match row.path.to_str().map(named::remote).transpose()?.flatten() {
            Some(entry) => entry,
            None => self.file(row.path)?,
        };
        Ok(match row.id {
            Some(id) => Entry { id, ..entry },
            None => entry,
        })
    }

    /// A path, relative to the manifest's folder.
    fn file(&self, path: OsString) -> Result<Entry, CollectError> {
        if path.is_empty() {
            return Err(CollectError::value("a path or a URL", "an empty text"));
        }
        let folder = self.manifest.parent().unwrap_or(Path::new(""));
        let file = folder.join(&path);
        Ok(Entry {
            id: path_text::id(path),
            name: file.display().to_string(),
            location: Location::Path(file),
        })
    }
}

impl Producer for ManifestRows {
    fn next(&mut self, _: &mut Progress) -> Option<Result<Found, CollectError>> {
        let row = self.rows.next()?;
        let found = row.and_then(|row| {
            let number = row.number;
            let entry = self.entry(row);
            entry.map_err(|error| manifest::at(&self.manifest, self.rows.unit(), number, error))
        });
        Some(found.map(Found::Entry))
    }
}
