use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::CollectError;

/// An input of a job, as its user gives it. [`list`](crate::list) turns inputs into entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, a folder, a tar archive, an http or https URL, a data URI, or a pattern with `*`, `?`, `[…]` or `**`.
    /// A file whose name looks like a pattern is that file.
    Named(OsString),
    /// A file with one input a line. A line is what [`Input::Named`] is, but never a pattern. Blank lines are skipped.
    /// Relative paths are relative to the working directory.
    List {
        /// The file, or `-` for the standard input.
        path: PathBuf,
        /// Inputs end with a zero byte, and not with the end of a line, as `find -print0` writes them.
        nul: bool,
    },
    /// A table with one input a row.
    Manifest(Manifest),
}

/// A table with one input a row: the path, URL or data URI is in one column, and the id in another. Relative paths are
/// relative to the manifest's folder. A row is always one input: the path of a folder is a video of frames.
///
/// The paths in a manifest are not opened when it is listed.
///
/// ```
/// use glm4v_collect::{Input, Manifest, ManifestFormat};
///
/// let manifest = Manifest { id_column: Some("sku".into()), ..Manifest::new("products.csv")? };
/// assert_eq!(manifest.format, ManifestFormat::Csv { delimiter: b',' });
/// let input = Input::Manifest(manifest);
/// # Ok::<(), glm4v_collect::CollectError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The file.
    pub path: PathBuf,
    /// The format of the file.
    pub format: ManifestFormat,
    /// The column of paths, URLs and data URIs. By default the first of these that the manifest has: `path`, `file`,
    /// `file_name`, `image`, `url`.
    pub path_column: Option<String>,
    /// The column of ids. By default the first of these that the manifest has: `id`, `key`, `uuid`. Without such a column
    /// the text of the column of paths is the id.
    pub id_column: Option<String>,
}

/// The format of a [`Manifest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestFormat {
    /// JSON Lines: one object a line.
    JsonLines,
    /// Comma-separated values, or with another delimiter. The first row has the names of the columns.
    Csv {
        /// The byte between two fields.
        delimiter: u8,
    },
    /// Parquet, with the feature `parquet`. Only the two columns are read.
    Parquet,
}

/// How [`list`](crate::list) treats folders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// List the subfolders of a folder too.
    pub recursive: bool,
    /// A folder is one video, and the images in it are its frames. By default each file in it is an input.
    pub frames: bool,
    /// A pipe, which can be read only once, is an input. By default it is an error.
    pub pipes: bool,
    /// What becomes of inputs that cannot be listed.
    pub failures: Failures,
}

/// What becomes of an input that cannot be listed: a file that is missing or cannot be read, for example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failures {
    /// It is an error.
    #[default]
    Errors,
    /// If it was found in a folder, an archive, a list or a manifest, it becomes an entry that fails when it is read. What the
    /// caller named itself is an error.
    EntriesIfFound,
    /// It becomes an entry that fails when it is read.
    Entries,
}

impl Input {
    /// [`Input::Named`], from any text or path.
    pub fn named(text: impl AsRef<OsStr>) -> Self {
        Self::Named(text.as_ref().to_owned())
    }
}

impl Manifest {
    /// A manifest with the default columns, whose format its extension tells.
    ///
    /// # Errors
    /// [`CollectError::ManifestFormat`] for other extensions than `.jsonl`, `.ndjson`, `.csv`, `.tsv` and `.parquet`.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, CollectError> {
        let path = path.into();
        Ok(Self {
            format: ManifestFormat::of(&path)?,
            path,
            path_column: None,
            id_column: None,
        })
    }
}

impl ManifestFormat {
    fn of(path: &Path) -> Result<Self, CollectError> {
        let extension = path.extension().map(OsStr::to_ascii_lowercase);
        match extension.as_deref().and_then(OsStr::to_str) {
            Some("jsonl" | "ndjson") => Ok(Self::JsonLines),
            Some("csv") => Ok(Self::Csv { delimiter: b',' }),
            Some("tsv") => Ok(Self::Csv { delimiter: b'\t' }),
            Some("parquet") => Ok(Self::Parquet),
            Some(_) | None => Err(CollectError::ManifestFormat {
                manifest: path.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_tells_the_format() {
        for (name, format) in [
            ("a.jsonl", ManifestFormat::JsonLines),
            ("a.NDJSON", ManifestFormat::JsonLines),
            ("a.b.csv", ManifestFormat::Csv { delimiter: b',' }),
            ("a.tsv", ManifestFormat::Csv { delimiter: b'\t' }),
            ("x/a.parquet", ManifestFormat::Parquet),
        ] {
            assert_eq!(Manifest::new(name).unwrap().format, format, "{name}");
        }
        let error = Manifest::new("x/list.xlsx").unwrap_err();
        assert_eq!(
            error.to_string(),
            "x/list.xlsx: expected a manifest with the extension .jsonl, .ndjson, .csv, .tsv or .parquet"
        );
    }
}
