//! Files, folders and archives for tests.

#![allow(dead_code, unreachable_pub)] // Each test program uses some of it.

use std::fs;
use std::path::{Path, PathBuf};

use glm4v_collect::{CollectError, Entry, Failures, Ignored, Input, ListOptions, Manifest, list};
use tempfile::TempDir;

pub const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0;";
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
pub const MP4: &[u8] = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41";
pub const HEIC: &[u8] = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic";

pub const FLAT: ListOptions = ListOptions {
    recursive: false,
    frames: false,
    pipes: false,
    failures: Failures::Errors,
};
pub const RECURSIVE: ListOptions = ListOptions {
    recursive: true,
    frames: false,
    pipes: false,
    failures: Failures::Errors,
};
pub const FRAMES: ListOptions = ListOptions {
    recursive: false,
    frames: true,
    pipes: false,
    failures: Failures::Errors,
};

/// A folder with files. It is removed in the end.
pub struct Folder(TempDir);

/// What a listing found.
pub struct Found {
    pub entries: Vec<Entry>,
    pub errors: Vec<CollectError>,
    pub ignored: Ignored,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Creates a folder with these files. A name that ends with `/` is a folder.
    pub fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = Self::new();
        for (name, content) in files {
            folder.add(name, content);
        }
        folder
    }

    pub fn add(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        if name.ends_with('/') {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
        }
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The text without the path of this folder.
    pub fn shorten(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

impl Found {
    pub fn of(inputs: impl IntoIterator<Item = Input>, options: ListOptions) -> Self {
        let inputs: Vec<_> = inputs.into_iter().collect();
        let mut listing = list(inputs, options);
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        for found in listing.by_ref().take(10_000) {
            match found {
                Ok(entry) => entries.push(entry),
                Err(error) => errors.push(error),
            }
        }
        Self {
            entries,
            errors,
            ignored: listing.ignored(),
        }
    }

    pub fn named(path: impl AsRef<Path>, options: ListOptions) -> Self {
        Self::of([Input::named(path.as_ref())], options)
    }

    pub fn manifest(path: impl AsRef<Path>) -> Self {
        Self::of(
            [Input::Manifest(Manifest::new(path.as_ref()).unwrap())],
            FLAT,
        )
    }

    pub fn ids(&self) -> Vec<&str> {
        assert!(self.errors.is_empty(), "{:?}", self.errors);
        self.entries.iter().map(|entry| &entry.id[..]).collect()
    }

    /// The message of the only error.
    pub fn error(&self) -> String {
        let [error] = &self.errors[..] else {
            panic!("{} errors: {:?}", self.errors.len(), self.errors);
        };
        error.to_string()
    }
}
