use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use super::limits::RunLimits;
use super::times::Report;
use crate::PreprocessError;
use crate::file::io_error;

/// Most bytes of a line on stderr. A longer line counts as several.
const LINE_BYTES: u64 = 4096;
/// Lines at the end that give no reason.
const EMPTY_LINES: [&str; 2] = ["Conversion failed!", "    Last message repeated"];

/// A video file, as an argument of the programs.
#[derive(Debug)]
pub(crate) struct Input {
    file: OsString,
    pub(super) demuxer: &'static str,
    pub(super) limits: RunLimits,
}

impl Input {
    pub(crate) fn new(path: &Path, demuxer: &'static str, limits: RunLimits) -> Self {
        // A name may look like an option, or like the URL of another protocol.
        let mut file = OsString::from("file:");
        file.push(path);
        Self {
            file,
            demuxer,
            limits,
        }
    }

    /// Arguments that open this file, and no other file that it may name.
    pub(crate) fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = ["-protocol_whitelist", "file", "-f", self.demuxer, "-i"]
            .map(Into::into)
            .into();
        args.push(self.file.clone());
        args
    }
}

/// A running program. Dropping it stops the program.
#[derive(Debug)]
pub(crate) struct Running {
    program: PathBuf,
    limits: RunLimits,
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    pub(crate) fn start(
        program: &Path,
        args: &[OsString],
        limits: RunLimits,
    ) -> Result<Self, PreprocessError> {
        Self::watch(program, args, limits, |_| ())
    }

    /// Starts the program. A thread calls `see` with each line on stderr.
    pub(crate) fn watch(
        program: &Path,
        args: &[OsString],
        limits: RunLimits,
        see: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, PreprocessError> {
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
        if let Err(error) = limits.apply(&child) {
            // An error here means that the program has ended already.
            let _ = child.kill();
            let _ = child.wait();
            return Err(io_error(program, error));
        }
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        Ok(Self {
            program: program.to_owned(),
            limits,
            child,
            stdout: BufReader::new(stdout),
            // A thread reads stderr, so that neither pipe waits for the other.
            stderr: Some(std::thread::spawn(|| last_message(stderr, see))),
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

    /// Fills `buffer` with output. `false` where the output ends before.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, PreprocessError> {
        match self.stdout.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(io_error(&self.program, error)),
        }
    }

    /// Waits for the end; the output must have been read. Returns the last line on stderr, if there is one.
    pub(crate) fn finish(mut self) -> Result<Option<String>, PreprocessError> {
        let status = self.child.wait();
        let status = status.map_err(|source| io_error(&self.program, source))?;
        let message = self.message();
        if was_killed(status) {
            return Err(PreprocessError::ProgramKilled {
                program: self.program.clone(),
                seconds: self.limits.seconds,
            });
        }
        if status.success() {
            return Ok(Some(message).filter(|message| !message.is_empty()));
        }
        let mut message = match message.as_str() {
            "" => status.to_string(),
            _ => message,
        };
        if message.contains("fps_mode") {
            message += " (ffmpeg 5.1 or later is needed)";
        }
        Err(PreprocessError::Program {
            program: self.program.clone(),
            message,
        })
    }

    fn message(&mut self) -> String {
        let reader = self.stderr.take();
        reader
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error here means that the program has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.message();
    }
}

/// Whether the system ended the program: at a limit, or for want of memory.
#[cfg(unix)]
fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    const SIGKILL: i32 = 9;
    status.signal() == Some(SIGKILL)
}

/// Other systems have no such limits.
#[cfg(not(unix))]
fn was_killed(_status: ExitStatus) -> bool {
    false
}

/// The last line with a reason, without the name and address of ffmpeg's module.
fn last_message(stderr: ChildStderr, mut see: impl FnMut(&str)) -> String {
    let (mut stderr, mut bytes) = (BufReader::new(stderr), Vec::new());
    let mut message = String::new();
    while let Ok(1..) = (&mut stderr).take(LINE_BYTES).read_until(b'\n', &mut bytes) {
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end();
        see(line);
        if has_reason(line) {
            message.clear();
            message.push_str(without_module(line));
        }
        bytes.clear();
    }
    message
}

fn has_reason(line: &str) -> bool {
    let is_empty = EMPTY_LINES.iter().any(|words| line.starts_with(words));
    !line.is_empty() && !is_empty && Report::parse(line).is_none()
}

fn without_module(line: &str) -> &str {
    let bare = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    bare.map_or(line, |(_, words)| words).trim()
}
