//! Inputs that can be read only once: pipes and the standard input.

use std::env;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use glm4v::pipeline::InputSource;
use glm4v::preprocess::ReadOptions;

use crate::temporary::TemporaryDir;
use crate::values::OnError;

/// The argument that stands for the standard input.
const STDIN: &str = "-";

/// Where videos from pipes, archives and URLs are saved. Dropping it removes them.
pub(crate) struct Pipes(Option<TemporaryDir>);

/// What tells whether two arguments are the same pipe.
#[derive(PartialEq)]
enum Identity {
    #[cfg(unix)]
    Inode(u64, u64),
    Path(PathBuf),
}

impl Pipes {
    /// The pipes among `inputs`. Fails if a pipe is named twice, or if an input does not exist and failures are not skipped,
    /// before anything is done for the others.
    pub(crate) fn among(inputs: &[impl AsRef<Path>], on_error: OnError) -> Result<Self> {
        let mut pipes = Vec::new();
        for input in inputs {
            let input = input.as_ref();
            let pipe = match (pipe(input), on_error) {
                (Err(error), OnError::Stop) => return Err(error),
                // It fails when it is opened.
                (Err(_), OnError::Skip) => None,
                (Ok(pipe), _) => pipe,
            };
            let Some(pipe) = pipe else {
                continue;
            };
            if pipes.contains(&pipe) {
                let name = input.display();
                bail!("{name}: it can be read only once, and it is named twice");
            }
            pipes.push(pipe);
        }
        // Only a video needs the directory, so that a failure is reported when there is one.
        let create = || TemporaryDir::create(&env::temp_dir()).ok();
        Ok(Self((!pipes.is_empty()).then(create).flatten()))
    }

    /// Also for inputs that may be videos in archives or behind URLs.
    pub(crate) fn or_for_fetched(self) -> Self {
        match self.0 {
            Some(_) => self,
            None => Self::for_fetched(),
        }
    }

    /// For inputs that may be videos in archives or behind URLs, which are saved like videos from pipes.
    pub(crate) fn for_fetched() -> Self {
        Self(TemporaryDir::create(&env::temp_dir()).ok())
    }

    /// `options` with the directory for videos from pipes.
    pub(crate) fn options(&self, options: ReadOptions) -> ReadOptions {
        let dir = self.0.as_ref().map(|dir| dir.path().to_owned());
        ReadOptions {
            spool_dir: dir.or(options.spool_dir),
            ..options
        }
    }
}

/// The input that an argument names.
pub(crate) fn source(input: PathBuf) -> InputSource {
    match is_stdin(&input) {
        true => InputSource::Stdin,
        false => input.into(),
    }
}

fn is_stdin(input: &Path) -> bool {
    input == Path::new(STDIN)
}

/// What identifies an input that can be read only once; `None` for a file or a folder.
fn pipe(input: &Path) -> Result<Option<Identity>> {
    if is_stdin(input) {
        // The standard input can be named by this path as well.
        let found = fs::metadata("/dev/stdin");
        let identity = found.map(|metadata| identity(input, &metadata));
        return Ok(Some(
            identity.unwrap_or_else(|_| Identity::Path(input.to_owned())),
        ));
    }
    let found = fs::metadata(input);
    let metadata = found.with_context(|| format!("{}: cannot be read", input.display()))?;
    let can_reopen = metadata.is_file() || metadata.is_dir();
    Ok((!can_reopen).then(|| identity(input, &metadata)))
}

#[cfg(unix)]
fn identity(_: &Path, metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Identity::Inode(metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(input: &Path, _: &Metadata) -> Identity {
    Identity::Path(input.to_owned())
}
