use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::natural;
use crate::PreprocessError;
use crate::codec::{
    DecodeOptions, ImageCodec, ImageHeader, open_image, read_header, read_image_file,
};
use crate::file::{io_error, read_up_to};
use crate::frames::check_size;
use crate::rgb::{Alpha, into_rgb};

/// The first bytes that tell the format of an image.
const MAGIC_BYTES: u64 = 64;
/// Most skipped files that a warning names.
const NAMED: usize = 3;

/// A folder whose images are the frames of a video.
#[derive(Debug)]
pub(crate) struct Folder {
    frames: Vec<PathBuf>,
    first: ImageHeader,
    /// Bytes of the first file.
    first_bytes: u64,
    options: DecodeOptions,
}

impl Folder {
    /// The folder, and warnings.
    pub(crate) fn open(
        path: &Path,
        options: &DecodeOptions,
    ) -> Result<(Self, Vec<String>), PreprocessError> {
        let (mut frames, mut others) = (Vec::new(), Vec::new());
        for name in names(path)? {
            let file = path.join(&name);
            if is_image(&file)? {
                frames.push(file);
            } else {
                others.push(name);
            }
        }
        let file = frames.first().ok_or(PreprocessError::NoFrames)?;
        let bytes = read_image_file(file, options)?;
        let first = read_header(&bytes, options).map_err(|error| error.in_file(file))?;
        let folder = Self {
            frames,
            first,
            first_bytes: bytes.len() as u64,
            options: *options,
        };
        Ok((folder, skipped(&others).into_iter().collect()))
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// (height, width) of the first frame, and so of all frames.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.first.size
    }

    /// Upper bound of the memory while a frame like the first is decoded.
    pub(crate) fn decode_bytes(&self) -> u64 {
        let size = self.first.size;
        self.first_bytes + self.first.memory.until_resized(size, size)
    }

    pub(crate) fn frame(&self, index: usize) -> Result<RgbImage, PreprocessError> {
        let path = &self.frames[index];
        let frame = into_rgb(open_image(path, &self.options)?, Alpha::Dropped)?;
        let (height, width) = self.first.size;
        let expected = (width as u32, height as u32);
        check_size(index, expected, frame.dimensions()).map_err(|error| error.in_file(path))?;
        Ok(frame)
    }
}

fn is_image(file: &Path) -> Result<bool, PreprocessError> {
    Ok(file.is_file() && ImageCodec::detect(&read_up_to(file, MAGIC_BYTES)?).is_some())
}

/// The entries of a folder that are not hidden, in natural order.
fn names(path: &Path) -> Result<Vec<OsString>, PreprocessError> {
    let entries: std::io::Result<Vec<_>> = fs::read_dir(path).and_then(Iterator::collect);
    let entries = entries.map_err(|source| io_error(path, source))?;
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

fn skipped(others: &[OsString]) -> Option<String> {
    let named: Vec<_> = others.iter().take(NAMED).collect();
    let named: Vec<_> = named.iter().map(|name| name.to_string_lossy()).collect();
    let more = if others.len() > NAMED { ", …" } else { "" };
    let warning = || {
        let (count, named) = (others.len(), named.join(", "));
        format!("{count} skipped because they are not images: {named}{more}")
    };
    (!others.is_empty()).then(warning)
}
