use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::found::{Found, Producer, Progress};
use super::named;
use crate::manifest::{self, Row, Rows};
use crate::{CollectError, Entry, ListOptions, Location, Manifest, path_text};

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

    fn entry(&self, row: Row, options: ListOptions) -> Result<Entry, CollectError> {
        let entry = match row.path.to_str().map(named::remote).transpose()?.flatten() {
            Some(entry) => entry,
            None => self.file(row.path, options)?,
        };
        Ok(match row.id {
            Some(id) => Entry { id, ..entry },
            None => entry,
        })
    }

    /// A path, relative to the manifest's folder.
    fn file(&self, path: OsString, options: ListOptions) -> Result<Entry, CollectError> {
        if path.is_empty() {
            return Err(CollectError::value("a path or a URL", "an empty text"));
        }
        let folder = self.manifest.parent().unwrap_or(Path::new(""));
        let file = folder.join(&path);
        if !options.pipes && is_pipe(&file) {
            return Err(CollectError::Pipe { path: file });
        }
        Ok(Entry {
            id: path_text::id(path),
            name: file.display().to_string(),
            location: Location::Path(file),
        })
    }
}

impl Producer for ManifestRows {
    fn next(&mut self, progress: &mut Progress) -> Option<Result<Found, Failure>> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(failure(error))),
        };
        let (number, id) = (row.number, row.id.clone());
        let found = self.entry(row, progress.options).map_err(|error| {
            let failure = failure(manifest::at(
                &self.manifest,
                self.rows.unit(),
                number,
                error,
            ));
            match id {
                Some(id) => failure.with_id(id),
                None => failure,
            }
        });
        Some(found.map(Found::Entry))
    }
}

/// Whether this is neither a file nor a folder. What does not exist fails when it is read.
fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// The failure of one row, whose place is its name; or of the manifest.
fn failure(error: CollectError) -> Failure {
    let CollectError::At {
        list,
        unit,
        number,
        source,
    } = &error
    else {
        return Failure::of_list(error);
    };
    if matches!(**source, CollectError::Column { .. }) {
        return Failure::of_list(error);
    }
    let place = format!("{list}, {unit} {number}");
    Failure::of_input(error, place.clone(), place)
}
