use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use glm4v::pipeline::{Fetch, InputSource};
use glm4v_collect::{Entry, IdSet, Location, Media, MediaReader, list};
use glm4v_store::StoreError;
use sha2::{Digest, Sha256};

use crate::args::InputArgs;
use crate::console::Console;
use crate::listed;

/// The entries of a job, with absolute paths: it may go on from another directory. Their ids are unique.
pub(super) fn entries(
    args: &InputArgs,
    console: &Console,
) -> Result<impl Iterator<Item = io::Result<Entry>>> {
    let mut listing = list(listed::inputs(args)?, listed::options(args));
    let mut ids = IdSet::default();
    Ok(std::iter::from_fn(move || {
        let Some(entry) = listing.next() else {
            let ignored = listing.ignored();
            if ignored.total() > 0 {
                console.note(&format!("left alone: {ignored}"));
            }
            return None;
        };
        if let Ok(Entry {
            name,
            location: Location::Path(path),
            ..
        }) = &entry
            && is_pipe(path)
        {
            let message =
                format!("{name}: a job reads only what can be read again, and this is a pipe");
            return Some(Err(io::Error::other(message)));
        }
        let unique = entry.and_then(Entry::into_absolute).and_then(|entry| {
            ids.insert(&entry, |first| format!("input {}", first + 1))?;
            Ok(entry)
        });
        Some(unique.map_err(io::Error::other))
    }))
}

/// Whether this is neither a file nor a folder. What does not exist fails when it is read.
fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// The SHA-256 of the inputs that were opened and are not stored yet, by their place.
#[derive(Clone, Debug, Default)]
pub(super) struct Hashes(Arc<Mutex<HashMap<usize, [u8; 32]>>>);

impl Hashes {
    pub(super) fn take(&self, index: usize) -> Option<[u8; 32]> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&index)
    }

    fn insert(&self, index: usize, hash: [u8; 32]) {
        let mut hashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.insert(index, hash);
    }
}

/// The source of a stored entry.
pub(super) fn source(
    index: usize,
    entry: Result<Entry, StoreError>,
    reader: &MediaReader,
    hashes: &Hashes,
) -> InputSource {
    InputSource::Fetched(Arc::new(JobSource {
        index,
        entry: entry.map_err(|error| error.to_string()),
        reader: reader.clone(),
        hashes: hashes.clone(),
    }))
}

/// An entry that is hashed when it is opened.
#[derive(Debug)]
struct JobSource {
    index: usize,
    entry: Result<Entry, String>,
    reader: MediaReader,
    hashes: Hashes,
}

impl Fetch for JobSource {
    fn name(&self) -> String {
        self.entry.as_ref().map_or_else(
            |_| format!("input {}", self.index),
            |entry| entry.name.clone(),
        )
    }

    fn can_refetch(&self) -> bool {
        true
    }

    fn fetch(&self) -> Result<InputSource, Box<dyn Error + Send + Sync>> {
        let entry = self.entry.as_ref().map_err(String::as_str)?;
        Ok(match self.reader.read(entry)? {
            Media::Path(path) => {
                let hash = hash_file(&path);
                let hash = hash.map_err(|error| format!("{}: {error}", path.display()))?;
                if let Some(hash) = hash {
                    self.hashes.insert(self.index, hash);
                }
                path.into()
            }
            Media::Bytes(bytes) => {
                self.hashes
                    .insert(self.index, Sha256::digest(&bytes).into());
                InputSource::Bytes {
                    name: entry.name.clone(),
                    bytes,
                }
            }
        })
    }
}

/// The SHA-256 of a file. A folder has none, and what does not exist fails when it is opened.
fn hash_file(path: &Path) -> io::Result<Option<[u8; 32]>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => hash(File::open(path)?).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn hash(mut file: impl Read) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(len) => hash.update(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte after each interruption.
    struct Interrupted(&'static [u8], bool);

    impl Read for Interrupted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn an_interrupted_read_is_repeated() {
        let expected: [u8; 32] = Sha256::digest(b"abc").into();
        assert_eq!(hash(Interrupted(b"abc", false)).unwrap(), expected);
    }

    /// Its record would lack the hash.
    #[test]
    fn a_file_that_cannot_be_looked_at_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "abc").unwrap();
        assert!(hash_file(&file).unwrap().is_some());
        assert_eq!(hash_file(folder.path()).unwrap(), None);
        assert_eq!(hash_file(&folder.path().join("absent")).unwrap(), None);
        assert!(hash_file(&file.join("below")).is_err());
    }
}
