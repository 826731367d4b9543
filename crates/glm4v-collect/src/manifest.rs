//! Rows of manifests: tables with a path and an id in each row.

mod columns;
mod csv;
mod json_lines;
#[cfg(feature = "parquet")]
mod parquet;

use std::ffi::OsString;
use std::path::Path;

use crate::{CollectError, Manifest, ManifestFormat};

/// A row of a manifest.
#[derive(Debug)]
pub(crate) struct Row {
    /// Counted from 1.
    pub(crate) number: u64,
    /// A path, a URL or a data URI.
    pub(crate) path: OsString,
    /// `None` if the manifest has no column of ids.
    pub(crate) id: Option<String>,
}

/// Reads the rows of a manifest, one at a time.
pub(crate) trait Rows: Send {
    /// The next row. `None` at the end.
    fn next(&mut self) -> Option<Result<Row, CollectError>>;

    /// What [`Row::number`] counts.
    fn unit(&self) -> &'static str;
}

pub(crate) fn open(manifest: &Manifest) -> Result<Box<dyn Rows>, CollectError> {
    Ok(match manifest.format {
        ManifestFormat::JsonLines => Box::new(json_lines::JsonLines::open(manifest)?),
        ManifestFormat::Csv { delimiter } => Box::new(csv::Csv::open(manifest, delimiter)?),
        ManifestFormat::Parquet => open_parquet(manifest)?,
    })
}

#[cfg(feature = "parquet")]
fn open_parquet(manifest: &Manifest) -> Result<Box<dyn Rows>, CollectError> {
    Ok(Box::new(parquet::Parquet::open(manifest)?))
}

#[cfg(not(feature = "parquet"))]
fn open_parquet(manifest: &Manifest) -> Result<Box<dyn Rows>, CollectError> {
    Err(CollectError::NoFeature {
        name: manifest.path.display().to_string(),
        what: "Parquet manifests",
        feature: "parquet",
    })
}

/// An error in a row.
pub(crate) fn at(
    manifest: &Path,
    unit: &'static str,
    number: u64,
    error: CollectError,
) -> CollectError {
    CollectError::At {
        list: manifest.display().to_string(),
        unit,
        number,
        source: Box::new(error),
    }
}
