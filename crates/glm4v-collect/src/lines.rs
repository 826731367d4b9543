use std::io::{self, BufRead, Read};
use std::path::Path;

use crate::CollectError;

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separator {
    /// A newline. A carriage return before it is dropped.
    Newline,
    /// A zero byte.
    Nul,
}

/// A line that is not blank, without its end.
#[derive(Debug)]
pub(crate) struct Line {
    /// Counted from 1, with blank lines.
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Reads the lines of a file, one at a time. A byte order mark at its start is dropped. Ends after an error.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    name: String,
    reader: R,
    separator: Separator,
    number: u64,
    ended: bool,
}

/// A line can be a data URI, in base64, of the default limit of 256 MiB.
const LONGEST: u64 = 384 << 20;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(name: &str, reader: R, separator: Separator) -> Self {
        Self {
            name: name.to_owned(),
            reader,
            separator,
            number: 0,
            ended: false,
        }
    }

    /// An error in a line.
    pub(crate) fn at(&self, number: u64, error: CollectError) -> CollectError {
        CollectError::At {
            list: self.name.clone(),
            unit: match self.separator {
                Separator::Newline => "line",
                Separator::Nul => "path",
            },
            number,
            source: Box::new(error),
        }
    }

    fn read(&mut self) -> Option<Result<Line, CollectError>> {
        let separator = match self.separator {
            Separator::Newline => b'\n',
            Separator::Nul => 0,
        };
        let mut bytes = Vec::new();
        let mut reader = (&mut self.reader).take(LONGEST + 1);
        if let Err(source) = reader.read_until(separator, &mut bytes) {
            return Some(Err(CollectError::io(Path::new(&self.name))(source)));
        }
        self.number += 1;
        if bytes.len() as u64 > LONGEST {
            let problem = format!("line {} has more than {LONGEST} bytes", self.number);
            let source = io::Error::other(problem);
            return Some(Err(CollectError::io(Path::new(&self.name))(source)));
        }
        if bytes.is_empty() {
            return None;
        }
        if bytes.last() == Some(&separator) {
            bytes.pop();
        }
        if self.separator == Separator::Newline && bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        if self.number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Some(Ok(Line {
            number: self.number,
            bytes,
        }))
    }

    fn is_blank(&self, line: &Line) -> bool {
        match self.separator {
            Separator::Newline => line.bytes.trim_ascii().is_empty(),
            Separator::Nul => line.bytes.is_empty(),
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Line, CollectError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.read() {
                Some(Ok(line)) if self.is_blank(&line) => {}
                Some(Ok(line)) => return Some(Ok(line)),
                end => {
                    self.ended = true;
                    return end;
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(text: &str, separator: Separator) -> Vec<(u64, String)> {
        let lines = Lines::new("list", text.as_bytes(), separator);
        let text = |line: Result<Line, _>| {
            let line = line.unwrap();
            (line.number, String::from_utf8(line.bytes).unwrap())
        };
        lines.map(text).collect()
    }

    fn expected(lines: &[(u64, &str)]) -> Vec<(u64, String)> {
        lines
            .iter()
            .map(|(number, text)| (*number, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn lines_of_all_systems() {
        assert_eq!(
            read("\u{feff}a\r\n\r\n \t\nb c \n\u{feff}d", Separator::Newline),
            expected(&[(1, "a"), (4, "b c "), (5, "\u{feff}d")])
        );
        assert_eq!(read("\u{feff}\n", Separator::Newline), []);
        assert_eq!(read("", Separator::Newline), []);
    }

    #[test]
    fn zero_bytes_separate_names_with_newlines() {
        assert_eq!(
            read("a\nb\0\0 \0c\r", Separator::Nul),
            expected(&[(1, "a\nb"), (3, " "), (4, "c\r")])
        );
    }

    #[test]
    fn an_error_ends_the_lines() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let mut lines = Lines::new("list", BufReader::new(Broken), Separator::Newline);
        let error = lines.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "list: cannot be read: the disk is gone");
        assert!(lines.next().is_none());
    }
}
