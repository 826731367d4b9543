use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::found::{Found, Producer, Progress};
use super::named::{self, Patterns};
use crate::lines::{Line, Lines, Separator};
use crate::{CollectError, path_text};

/// A list of inputs, whose entries come next.
pub(super) struct FileList {
    lines: Lines<Box<dyn BufRead + Send>>,
}

impl FileList {
    pub(super) fn open(path: PathBuf, nul: bool) -> Result<Self, CollectError> {
        let (name, reader): (_, Box<dyn BufRead + Send>) = if path == Path::new("-") {
            (
                "the standard input".to_owned(),
                Box::new(BufReader::new(io::stdin())),
            )
        } else {
            let file = File::open(&path).map_err(CollectError::io(&path))?;
            (path.display().to_string(), Box::new(BufReader::new(file)))
        };
        let separator = if nul {
            Separator::Nul
        } else {
            Separator::Newline
        };
        Ok(Self {
            lines: Lines::new(&name, reader, separator),
        })
    }
}

impl Producer for FileList {
    fn next(&mut self, progress: &mut Progress) -> Option<Result<Found, CollectError>> {
        let line = match self.lines.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let number = line.number;
        let found = find(line, progress);
        Some(found.map_err(|error| self.lines.at(number, error)))
    }
}

fn find(line: Line, progress: &Progress) -> Result<Found, CollectError> {
    let text = path_text::from_bytes(line.bytes);
    let text = text.ok_or_else(|| CollectError::value("a name in UTF-8", "other bytes"))?;
    named::find(&text, Patterns::Refuse, progress)
}
