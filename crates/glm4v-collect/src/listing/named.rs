//! Inputs that are named one by one, on a command line or in a list.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use super::archive::Archive;
use super::failure::Failure;
use super::found::{Found, Progress};
use super::pattern::Pattern;
use super::walk::Walk;
use super::wildcard;
use crate::content::{self, Content};
use crate::{CollectError, Entry, Location, data_uri, ids, path_text, url};

/// Whether a text without a file may be a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patterns {
    Expand,
    Refuse,
}

/// What `text` names: a URL, a data URI, a file, a folder, an archive or a pattern.
pub(super) fn find(
    text: &OsStr,
    patterns: Patterns,
    progress: &Progress,
) -> Result<Found, Failure> {
    let remote = match text.to_str().map(remote).transpose() {
        Ok(remote) => remote.flatten(),
        Err(error) => return Err(failed_url(text, error)),
    };
    if let Some(entry) = remote {
        return Ok(Found::Entry(entry));
    }
    let path = path_text::normal(Path::new(text));
    let found = file(text, &path, patterns, progress);
    found.map_err(|error| Failure::at(error, path_text::id(&path), &path))
}

/// A text that is refused as a URL.
fn failed_url(text: &OsStr, error: CollectError) -> Failure {
    let text = text.to_string_lossy();
    let name = match data_uri::is_data_uri(&text) {
        true => data_uri::shown(&text),
        false => url::shown(&text),
    };
    Failure::of_input(error, text.into_owned(), name)
}

/// What a name that is no URL stands for. `path` is the same without `.` and repeated separators.
fn file(
    text: &OsStr,
    path: &Path,
    patterns: Patterns,
    progress: &Progress,
) -> Result<Found, CollectError> {
    if text == "-" {
        return Err(CollectError::StandardInput);
    }
    match fs::metadata(text) {
        Ok(metadata) => existing(path, &metadata, progress),
        Err(_) if patterns == Patterns::Expand && wildcard::is_pattern(path) => {
            Pattern::new(path).map(Found::nested)
        }
        Err(error) if is_missing(&error) => Err(CollectError::NotFound {
            name: match text.is_empty() {
                true => "an empty name".to_owned(),
                false => Path::new(text).display().to_string(),
            },
        }),
        Err(source) => Err(CollectError::io(path)(source)),
    }
}

/// The entry of a URL or a data URI. `None` for a path.
pub(super) fn remote(text: &str) -> Result<Option<Entry>, CollectError> {
    if data_uri::is_data_uri(text) {
        return Ok(Some(Entry {
            id: format!("data:{:032x}", ids::hash(text)),
            name: data_uri::shown(text),
            location: Location::Data(text.to_owned()),
        }));
    }
    if url::scheme(text).is_none() || Path::new(text).exists() {
        return Ok(None);
    }
    url::check(text)?;
    Ok(Some(Entry {
        id: text.to_owned(),
        name: url::shown(text),
        location: Location::Url(text.to_owned()),
    }))
}

fn existing(path: &Path, metadata: &Metadata, progress: &Progress) -> Result<Found, CollectError> {
    if metadata.is_dir() {
        return if progress.options.frames {
            Ok(Found::Entry(entry(
                path,
                Location::FrameFolder(path.into()),
            )))
        } else {
            Walk::all(path, String::new(), &[]).map(Found::nested)
        };
    }
    let media = || Found::Entry(entry(path, Location::Path(path.into())));
    if !metadata.is_file() {
        // Not opened: the first bytes of a pipe can be read only once.
        return match progress.options.pipes {
            true => Ok(media()),
            false => Err(CollectError::Pipe { path: path.into() }),
        };
    }
    let start = content::read_start(path, metadata.len());
    let start = start.map_err(CollectError::io(path))?;
    match Content::detect(&start) {
        Content::Media => Ok(media()),
        Content::Tar => Archive::open(path).map(Found::nested),
        Content::Compressed(compression) => Err(CollectError::Compressed {
            name: path.display().to_string(),
            format: compression.format,
            advice: compression.advice,
        }),
        Content::Other if content::is_empty_tar(&start) => Archive::open(path).map(Found::nested),
        Content::Other => Err(CollectError::NotMedia { path: path.into() }),
    }
}

fn entry(path: &Path, location: Location) -> Entry {
    Entry {
        id: path_text::id(path),
        name: path.display().to_string(),
        location,
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}
