use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::natural;
use crate::open::{first_bytes, header};
use crate::pick::check_size;
use crate::rgb::{Alpha, into_rgb};
use crate::{OpenOptions, PreprocessError, formats, open};

/// So many bytes tell a picture's format.
const MAGIC_BYTES: u64 = 64;
/// As many files that are no pictures are named.
const NAMED: usize = 3;

/// A folder whose pictures are the frames of a clip.
#[derive(Debug)]
pub(crate) struct Folder {
    frames: Vec<PathBuf>,
    size: (u32, u32),
    /// Bytes that are held while a frame like the first is decoded.
    decoding: u64,
    options: OpenOptions,
}

impl Folder {
    /// The folder, and what to warn of.
    pub(crate) fn open(
        path: &Path,
        options: &OpenOptions,
    ) -> Result<(Self, Vec<String>), PreprocessError> {
        let (mut frames, mut others) = (Vec::new(), Vec::new());
        for name in names(path)? {
            let file = path.join(&name);
            if file.is_file() && formats::of(&first_bytes(&file, MAGIC_BYTES)?).is_some() {
                frames.push(file);
            } else {
                others.push(name);
            }
        }
        let first = frames.first().ok_or(PreprocessError::NoFrames)?;
        let size = rgb(first, options)?.dimensions();
        let decoding = decoding(first, options)?;
        let folder = Self {
            frames,
            size,
            decoding,
            options: options.clone(),
        };
        Ok((folder, left_out(&others).into_iter().collect()))
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// (width, height) of the first frame, and thus of all.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.size
    }

    pub(crate) fn decoding(&self) -> u64 {
        self.decoding
    }

    pub(crate) fn frame(&self, index: usize) -> Result<RgbImage, PreprocessError> {
        let path = &self.frames[index];
        let frame = rgb(path, &self.options)?;
        check_size(index, self.size, frame.dimensions()).map_err(|error| error.in_file(path))?;
        Ok(frame)
    }
}

fn rgb(path: &Path, options: &OpenOptions) -> Result<RgbImage, PreprocessError> {
    into_rgb(open(path, options)?, Alpha::Dropped)
}

fn decoding(path: &Path, options: &OpenOptions) -> Result<u64, PreprocessError> {
    let header = header(&first_bytes(path, options.max_bytes)?, options);
    let header = header.map_err(|error| error.in_file(path))?;
    Ok(header
        .decoding
        .resizing(header.size, header.size)
        .before_rows)
}

/// What is in a folder and not hidden, in order.
fn names(path: &Path) -> Result<Vec<OsString>, PreprocessError> {
    let entries: std::io::Result<Vec<_>> = fs::read_dir(path).and_then(Iterator::collect);
    let entries = entries.map_err(|source| PreprocessError::Io {
        path: path.to_owned(),
        source,
    })?;
    let names = entries.into_iter().map(|entry| entry.file_name());
    let mut names: Vec<OsString> = names
        .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
        .collect();
    names.sort_by(|one, other| {
        natural::compare(&one.to_string_lossy(), &other.to_string_lossy())
            .then_with(|| one.cmp(other))
    });
    Ok(names)
}

fn left_out(others: &[OsString]) -> Option<String> {
    let named: Vec<_> = others.iter().take(NAMED).collect();
    let named: Vec<_> = named.iter().map(|name| name.to_string_lossy()).collect();
    let more = if others.len() > NAMED { ", …" } else { "" };
    let warning = || {
        let (count, named) = (others.len(), named.join(", "));
        format!("{count} left out, as no picture that is read: {named}{more}")
    };
    (!others.is_empty()).then(warning)
}
