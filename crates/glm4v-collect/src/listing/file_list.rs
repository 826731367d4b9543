use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::failure::Failure;
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
    fn next(&mut self, progress: &mut Progress) -> Option<Result<Found, Failure>> {
        let line = match self.lines.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(Failure::of_list(error))),
        };
        let number = line.number;
        let found = find(line, progress);
        Some(found.map_err(|failure| failure.within(|error| self.lines.at(number, error))))
    }
}

fn find(line: Line, progress: &Progress) -> Result<Found, Failure> {
    let shown = line.bytes.escape_ascii().to_string();
    let Some(text) = path_text::from_bytes(line.bytes) else {
        let error = CollectError::value("a name in UTF-8", "other bytes");
        return Err(Failure::of_input(error, shown.clone(), shown));
    };
    named::find(&text, Patterns::Refuse, progress)
}
