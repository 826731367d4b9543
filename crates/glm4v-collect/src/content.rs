//! What a file contains, by its first bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use glm4v_preprocess::MediaKind;

/// What a file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// An image or a video.
    Media,
    /// A tar archive.
    Tar,
    /// An archive or a compressed file that is not read.
    Compressed(Compression),
    /// Something else.
    Other,
}

/// A format of compressed files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compression {
    pub(crate) format: &'static str,
    pub(crate) advice: &'static str,
}

const UNPACK: &str = "unpack the archive into a folder, and name the folder";
const COMPRESSIONS: [(&[u8], Compression); 8] = [
    (
        b"\x1f\x8b",
        of("gzip", "decompress it first, with: gunzip FILE"),
    ),
    (b"PK\x03\x04", of("zip", UNPACK)),
    (b"PK\x05\x06", of("zip", UNPACK)),
    (
        b"\x28\xb5\x2f\xfd",
        of("zstd", "decompress it first, with: unzstd FILE"),
    ),
    (
        b"BZh",
        of("bzip2", "decompress it first, with: bunzip2 FILE"),
    ),
    (
        b"\xfd7zXZ\0",
        of("xz", "decompress it first, with: unxz FILE"),
    ),
    (b"7z\xbc\xaf\x27\x1c", of("7z", UNPACK)),
    (b"Rar!\x1a\x07", of("RAR", UNPACK)),
];
const TAR_HEADER: usize = 512;
/// The place of the checksum in the header of a member.
const CHECKSUM: std::ops::Range<usize> = 148..156;

const fn of(format: &'static str, advice: &'static str) -> Compression {
    Compression { format, advice }
}

impl Content {
    /// The content of a file that starts with `start`.
    pub(crate) fn detect(start: &[u8]) -> Self {
        // A tar archive starts with the name of its first member, which can look like an image.
        if is_tar(start) {
            return Self::Tar;
        }
        if MediaKind::detect(start).is_some() {
            return Self::Media;
        }
        let known = COMPRESSIONS
            .iter()
            .find(|(magic, _)| start.starts_with(magic));
        known.map_or(Self::Other, |(_, compression)| {
            Self::Compressed(*compression)
        })
    }
}

/// Whether a file is a tar archive, or compressed. False if it cannot be read.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let start = path
        .metadata()
        .and_then(|metadata| read_start(path, metadata.len()));
    start.is_ok_and(|start| match Content::detect(&start) {
        Content::Tar | Content::Compressed(_) => true,
        Content::Media => false,
        Content::Other => is_empty_tar(&start),
    })
}

/// The first bytes of a file of this size.
pub(crate) fn read_start(path: &Path, size: u64) -> io::Result<Vec<u8>> {
    start_of(File::open(path)?, size)
}

/// The first bytes of a content of this size. Its end is not looked for, so one read suffices.
pub(crate) fn start_of(reader: impl Read, size: u64) -> io::Result<Vec<u8>> {
    let size = size.min(MediaKind::START_BYTES as u64);
    let mut start = Vec::with_capacity(size as usize);
    reader.take(size).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether a file starts with the end of a tar archive, so that the archive has no members.
pub(crate) fn is_empty_tar(start: &[u8]) -> bool {
    start.len() >= 2 * TAR_HEADER && start.iter().all(|&byte| byte == 0)
}

/// Whether the first header of the archive has the right checksum.
fn is_tar(start: &[u8]) -> bool {
    let Some(header) = start.first_chunk::<TAR_HEADER>() else {
        return false;
    };
    let stored = str::from_utf8(&header[CHECKSUM]).unwrap_or_default();
    let stored = stored.trim_matches(['\0', ' ']);
    let Ok(stored) = u32::from_str_radix(stored, 8) else {
        return false;
    };
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    let field: u32 = header[CHECKSUM].iter().map(|&byte| u32::from(byte)).sum();
    let spaces = CHECKSUM.len() as u32 * u32::from(b' ');
    sum - field + spaces == stored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(name: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        builder.append_data(&mut header, name, &b"abc"[..]).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn archives_whose_first_name_looks_like_an_image_or_a_video() {
        for name in ["GIF89a.txt", "BM.jpg", "the-free.jpg", "cat.jpg"] {
            assert_eq!(Content::detect(&archive(name)), Content::Tar, "{name}");
        }
        let mut damaged = archive("cat.jpg");
        damaged[0] ^= 1;
        assert_eq!(Content::detect(&damaged), Content::Other);
        assert_eq!(Content::detect(&archive("cat.jpg")[..511]), Content::Other);
    }

    #[test]
    fn compressed_files_are_known_by_their_first_bytes() {
        for (start, format) in [
            (&b"\x1f\x8b\x08\0"[..], "gzip"),
            (b"PK\x03\x04\x14\0", "zip"),
            (b"\x28\xb5\x2f\xfd\0", "zstd"),
            (b"BZh91AY", "bzip2"),
            (b"\xfd7zXZ\0\0", "xz"),
            (b"7z\xbc\xaf\x27\x1c", "7z"),
            (b"Rar!\x1a\x07\x01", "RAR"),
        ] {
            let Content::Compressed(found) = Content::detect(start) else {
                panic!("{format}");
            };
            assert_eq!(found.format, format);
        }
        assert_eq!(Content::detect(b"text"), Content::Other);
        assert_eq!(Content::detect(b""), Content::Other);
        assert_eq!(Content::detect(&[0; 1024]), Content::Other);
        assert!(is_empty_tar(&[0; 1024]) && !is_empty_tar(&[0; 1023]));
    }
}
