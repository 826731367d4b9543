use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use crate::PreprocessError;

/// So much of what a program says on stderr is kept.
const KEPT: usize = 4096;
/// Lines at the end that say nothing.
const EMPTY_WORDS: [&str; 2] = ["Conversion failed!", "    Last message repeated"];

/// A video file, as the programs are told of it.
#[derive(Debug)]
pub(crate) struct Input {
    file: OsString,
    demuxer: &'static str,
}

impl Input {
    pub(crate) fn new(path: &Path, demuxer: &'static str) -> Self {
        // A name may look like an option, or like the URL of another protocol.
        let mut file = OsString::from("file:");
        file.push(path);
        Self { file, demuxer }
    }

    /// The file, and nothing else that it may name.
    pub(crate) fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = ["-protocol_whitelist", "file", "-f", self.demuxer, "-i"]
            .map(Into::into)
            .into();
        args.push(self.file.clone());
        args
    }
}

/// A program at work; dropped, it is stopped.
#[derive(Debug)]
pub(crate) struct Running {
    program: PathBuf,
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    pub(crate) fn start(program: &Path, args: &[OsString]) -> Result<Self, PreprocessError> {
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => PreprocessError::NoProgram {
                program: program.to_owned(),
            },
            _ => io_error(program, source),
        })?;
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        Ok(Self {
            program: program.to_owned(),
            child,
            stdout: BufReader::new(stdout),
            // Read beside the output, so that neither waits for the other.
            stderr: Some(std::thread::spawn(|| last_line(stderr))),
        })
    }

    /// Calls `line` with each line of the output.
    pub(crate) fn lines(&mut self, mut line: impl FnMut(&str)) -> Result<(), PreprocessError> {
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = self.stdout.read_until(b'\n', &mut text);
            match read.map_err(|source| io_error(&self.program, source))? {
                0 => return Ok(()),
                _ => line(String::from_utf8_lossy(&text).trim_end()),
            }
        }
    }

    /// Fills `buffer` with output; whether there was enough.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, PreprocessError> {
        match self.stdout.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(io_error(&self.program, error)),
        }
    }

    /// Waits for the end, whose output must have been read; the last line on stderr, where there is one.
    pub(crate) fn finish(mut self) -> Result<Option<String>, PreprocessError> {
        let status = self.child.wait();
        let status = status.map_err(|source| io_error(&self.program, source))?;
        let said = self.said();
        if status.success() {
            return Ok(Some(said).filter(|said| !said.is_empty()));
        }
        let mut said = match said.as_str() {
            "" => status.to_string(),
            _ => said,
        };
        if said.contains("fps_mode") {
            said += " (ffmpeg 5.1 or later is needed)";
        }
        Err(PreprocessError::Program {
            program: self.program.clone(),
            said,
        })
    }

    fn said(&mut self) -> String {
        let reader = self.stderr.take();
        reader
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.said();
    }
}

fn io_error(program: &Path, source: io::Error) -> PreprocessError {
    PreprocessError::Io {
        path: program.to_owned(),
        source,
    }
}

/// The last line that says something, without the name and address of the part of ffmpeg that says it.
fn last_line(mut stderr: ChildStderr) -> String {
    let (mut tail, mut buffer) = (Vec::new(), [0; KEPT]);
    while let Ok(read @ 1..) = stderr.read(&mut buffer) {
        tail.extend(&buffer[..read]);
        let surplus = tail.len().saturating_sub(KEPT);
        tail.drain(..surplus);
    }
    let text = String::from_utf8_lossy(&tail);
    let says = |line: &&str| {
        let empty = EMPTY_WORDS.iter().any(|words| line.starts_with(words));
        !line.trim().is_empty() && !empty
    };
    let line = text.lines().rev().find(says).unwrap_or_default();
    let bare = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    bare.map_or(line, |(_, words)| words).trim().to_owned()
}
