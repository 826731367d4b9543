use std::io::BufRead;
use std::path::{self, PathBuf};

use serde::{Deserialize, Serialize};

use crate::lines::{Lines, Separator};
use crate::{CollectError, path_text};

/// One input of a job.
///
/// ```
/// use glm4v_collect::{Entry, Location};
///
/// let entry = Entry {
///     id: "0001/cat".into(),
///     name: "shards/0001.tar/cat.jpg".into(),
///     location: Location::TarMember { archive: "shards/0001.tar".into(), offset: 1536, size: 2048 },
/// };
/// let line = entry.to_json_line();
/// assert_eq!(Entry::from_json_line(&line)?, entry);
/// # Ok::<(), glm4v_collect::CollectError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Identifies the input in the job. It may contain control characters.
    pub id: String,
    /// The name for messages. A URL has no query here.
    pub name: String,
    /// Where the content is.
    pub location: Location,
}

/// Where the content of an [`Entry`] is. Relative paths are relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Location {
    /// A file.
    Path(#[serde(with = "path_text")] PathBuf),
    /// A folder whose images are the frames of one video.
    FrameFolder(#[serde(with = "path_text")] PathBuf),
    /// A member of a tar archive that is not compressed.
    TarMember {
        /// The archive.
        #[serde(with = "path_text")]
        archive: PathBuf,
        /// The position of the content in the archive, in bytes.
        offset: u64,
        /// The size of the content in bytes.
        size: u64,
    },
    /// An http or https URL.
    Url(String),
    /// A data URI, with its content.
    Data(String),
    /// Something that could not be listed, with the reason: see [`Failures`](crate::Failures).
    Failed(String),
}

impl Entry {
    /// The entry as one line of JSON, which ends with a newline.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        let json = serde_json::to_string(self).expect("strings, numbers and bytes");
        json + "\n"
    }

    /// Reads an entry that [`Entry::to_json_line`] wrote.
    ///
    /// # Errors
    /// [`CollectError::Value`] for other lines, and for a path that exists on another operating system only.
    pub fn from_json_line(line: &str) -> Result<Self, CollectError> {
        Self::from_json(line.as_bytes())
    }

    fn from_json(line: &[u8]) -> Result<Self, CollectError> {
        serde_json::from_slice(line).map_err(|error| {
            CollectError::value("an entry in JSON", format!("another text: {error}"))
        })
    }

    /// The same entry with absolute paths, so that it can be read from any working directory. The name has the absolute path
    /// too, so that it does not depend on how the input was named.
    ///
    /// # Errors
    /// [`CollectError::Io`] if the working directory is not known.
    pub fn into_absolute(mut self) -> Result<Self, CollectError> {
        match &mut self.location {
            Location::Path(path)
            | Location::FrameFolder(path)
            | Location::TarMember { archive: path, .. } => {
                let absolute = path::absolute(&*path).map_err(CollectError::io(path))?;
                if let Some(member) = self.name.strip_prefix(&path.display().to_string()) {
                    self.name = format!("{}{member}", absolute.display());
                }
                *path = absolute;
            }
            Location::Url(_) | Location::Data(_) | Location::Failed(_) => {}
        }
        Ok(self)
    }
}

/// Reads the entries of a file with one [`Entry::to_json_line`] a line. Blank lines are skipped.
///
/// ```
/// use glm4v_collect::EntryReader;
///
/// let text = r#"{"id":"a","name":"a.jpg","location":{"path":"a.jpg"}}"#;
/// let entries = EntryReader::new("inputs.jsonl", text.as_bytes()).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(entries[0].id, "a");
/// # Ok::<(), glm4v_collect::CollectError>(())
/// ```
#[derive(Debug)]
pub struct EntryReader<R> {
    lines: Lines<R>,
}

impl<R: BufRead> EntryReader<R> {
    /// Reads from `reader`. `name` stands for it in errors.
    pub fn new(name: &str, reader: R) -> Self {
        Self {
            lines: Lines::new(name, reader, Separator::Newline),
        }
    }
}

impl<R: BufRead> Iterator for EntryReader<R> {
    type Item = Result<Entry, CollectError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.lines.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let entry = Entry::from_json(&line.bytes);
        Some(entry.map_err(|error| self.lines.at(line.number, error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(location: Location) -> Entry {
        Entry {
            id: "line\nbreak".into(),
            name: "a \"name\"".into(),
            location,
        }
    }

    #[test]
    fn every_location_survives_json() {
        for location in [
            Location::Path("a/b c.jpg".into()),
            Location::FrameFolder("frames".into()),
            Location::TarMember {
                archive: "a.tar".into(),
                offset: u64::MAX,
                size: 0,
            },
            Location::Url("https://images.example/a?b=c#d".into()),
            Location::Data("data:,x%20y".into()),
            Location::Failed("a: cannot be read".into()),
        ] {
            let entry = entry(location);
            let line = entry.to_json_line();
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
            assert_eq!(Entry::from_json_line(&line).unwrap(), entry);
        }
        let text = entry(Location::Path("a.jpg".into())).to_json_line();
        assert_eq!(
            text,
            "{\"id\":\"line\\nbreak\",\"name\":\"a \\\"name\\\"\",\"location\":{\"path\":\"a.jpg\"}}\n"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_survives_json() {
        let path = PathBuf::from(path_text::from_bytes(b"a\xff/b.jpg".to_vec()).unwrap());
        for location in [
            Location::Path(path.clone()),
            Location::FrameFolder(path.clone()),
            Location::TarMember {
                archive: path,
                offset: 1,
                size: 2,
            },
        ] {
            let entry = entry(location);
            let line = entry.to_json_line();
            assert!(line.contains(r#"{"bytes":[97,255,47,"#), "{line}");
            assert_eq!(Entry::from_json_line(&line).unwrap(), entry);
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn a_path_of_windows_is_refused_elsewhere_if_it_is_not_unicode() {
        let line = |wide| {
            format!(r#"{{"id": "a", "name": "a", "location": {{"path": {{"wide": {wide}}}}}}}"#)
        };
        let entry = Entry::from_json_line(&line("[97]")).unwrap();
        assert_eq!(entry.location, Location::Path("a".into()));
        let error = Entry::from_json_line(&line("[55296]"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("exists on another operating system only"),
            "{error}"
        );
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
        let good = entry(Location::Url("http://a.example/".into())).to_json_line();
        let text = format!("\u{feff}{good}\n{{\"id\": 5}}\n{good}");
        let read: Vec<_> = EntryReader::new("inputs.jsonl", text.as_bytes()).collect();
        assert_eq!(read.len(), 3);
        assert!(read[0].is_ok() && read[2].is_ok());
        let error = read[1].as_ref().unwrap_err().to_string();
        assert!(
            error.starts_with("inputs.jsonl, line 3: expected an entry in JSON, found "),
            "{error}"
        );
    }

    #[test]
    fn paths_become_absolute() {
        let here = std::env::current_dir().unwrap();
        let entry = entry(Location::Path("a.jpg".into()))
            .into_absolute()
            .unwrap();
        assert_eq!(entry.location, Location::Path(here.join("a.jpg")));
        let member = Entry {
            id: "a/b".into(),
            name: "x/a.tar/b.jpg".into(),
            location: Location::TarMember {
                archive: "x/a.tar".into(),
                offset: 512,
                size: 1,
            },
        };
        let member = member.into_absolute().unwrap();
        assert_eq!(
            member.name,
            here.join("x/a.tar/b.jpg").display().to_string()
        );
    }
}
