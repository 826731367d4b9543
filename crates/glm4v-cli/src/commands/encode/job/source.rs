use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use glm4v::pipeline::{Fetch, InputSource};
use glm4v::preprocess::MediaKind;
use glm4v_collect::{
    CollectError, Entry, IdSet, Input, ListOptions, Listing, Media, MediaReader, list,
};
use glm4v_store::StoreError;
use sha2::{Digest, Sha256};

use crate::args::InputArgs;
use crate::console::Console;
use crate::listed;
use crate::values::OnError;

/// Larger image files are read twice: to be hashed, and to be decoded.
const MAX_READ_ONCE: u64 = 64 << 20;

/// The entries of a job, with absolute paths: it may go on from another directory. Their ids are unique.
pub(super) fn entries(
    args: &InputArgs,
    on_error: Option<OnError>,
    console: &Console,
) -> Result<impl Iterator<Item = io::Result<Entry>>> {
    let options = ListOptions {
        pipes: false,
        ..listed::options(args, on_error)
    };
    let inputs = listed::inputs(args)?;
    let mut listing = list(inputs.clone(), options);
    let mut ids = IdSet::default();
    Ok(std::iter::from_fn(move || {
        let Some(entry) = listing.next() else {
            let ignored = listing.ignored();
            if ignored.total() > 0 {
                console.note(&format!("left alone: {ignored}"));
            }
            return None;
        };
        let unique = entry.and_then(Entry::into_absolute).and_then(|entry| {
            ids.insert(&entry, |first| {
                let entry = nth(list(inputs.clone(), options), first, &inputs);
                entry.map_or_else(|| format!("input {}", first + 1), |entry| entry.name)
            })?;
            Ok(entry)
        });
        Some(unique.map_err(io::Error::other))
    }))
}

/// The entry of this number, counted from 0. It is listed again, because no names are kept. `None` if the list came from the
/// standard input.
fn nth(listing: Listing, number: u64, inputs: &[Input]) -> Option<Entry> {
    let is_stdin =
        |input: &Input| matches!(input, Input::List { path, .. } if path == Path::new("-"));
    if inputs.iter().any(is_stdin) {
        return None;
    }
    let mut entries = listing.filter_map(Result::ok);
    entries.nth(number as usize)?.into_absolute().ok()
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
                let at = |source| CollectError::Io {
                    path: path.clone(),
                    source,
                };
                match image_file(&path).map_err(at)? {
                    Some(bytes) => self.in_memory(path.display().to_string(), bytes),
                    None => {
                        if let Some(hash) = hash_file(&path).map_err(at)? {
                            self.hashes.insert(self.index, hash);
                        }
                        path.into()
                    }
                }
            }
            Media::Bytes(bytes) => self.in_memory(entry.name.clone(), bytes),
        })
    }
}

impl JobSource {
    fn in_memory(&self, name: String, bytes: Vec<u8>) -> InputSource {
        let hash = Sha256::digest(&bytes).into();
        self.hashes.insert(self.index, hash);
        InputSource::Bytes { name, bytes }
    }
}

/// The content of an image file of usual size. It is read once, so the hash is that of the bytes that are decoded. `None` for
/// everything else.
fn image_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let size = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_READ_ONCE => metadata.len(),
        _ => return Ok(None),
    };
    let mut bytes = Vec::with_capacity(MediaKind::START_BYTES);
    let mut file = File::open(path)?.take(MAX_READ_ONCE + 1);
    file.by_ref()
        .take(MediaKind::START_BYTES as u64)
        .read_to_end(&mut bytes)?;
    if MediaKind::detect(&bytes) != Some(MediaKind::Image) {
        return Ok(None);
    }
    bytes.reserve_exact(size as usize);
    file.read_to_end(&mut bytes)?;
    // It may have grown.
    Ok((bytes.len() as u64 <= MAX_READ_ONCE).then_some(bytes))
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
    fn image_files_are_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        for (content, is_image) in [(&b"GIF89a"[..], true), (b"a text", false), (b"", false)] {
            fs::write(&file, content).unwrap();
            let expected = is_image.then(|| content.to_vec());
            assert_eq!(image_file(&file).unwrap(), expected);
        }
        let long = [&b"GIF89a"[..], &[7; 3 * MediaKind::START_BYTES]].concat();
        fs::write(&file, &long).unwrap();
        assert_eq!(image_file(&file).unwrap(), Some(long));
        assert_eq!(image_file(folder.path()).unwrap(), None);
        assert_eq!(image_file(&folder.path().join("absent")).unwrap(), None);
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
