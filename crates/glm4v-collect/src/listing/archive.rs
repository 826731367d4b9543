use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use glm4v_preprocess::ImageCodec;
use tar::EntryType;

use super::failure::Failure;
use super::found::{Found, Producer, Progress};
use crate::content::{self, Content};
use crate::{CollectError, Entry, Location, path_text};

/// A tar archive whose members come next. Only headers and the first bytes of the members are read.
pub(super) struct Archive {
    path: PathBuf,
    /// The first part of the ids: the archive's name without its extension.
    stem: String,
    file: File,
    file_bytes: u64,
    /// The position of the next header. `None` at the end, and after an error.
    position: Option<u64>,
}

/// A member of an archive.
struct Member {
    /// With `/` between its parts, without `./` at its start.
    name: String,
    kind: EntryType,
    is_sparse: bool,
    offset: u64,
    size: u64,
}

const BLOCK: u64 = 512;
/// The maximum size of a header with its long names and attributes.
const LONGEST_HEADER: u64 = 1 << 20;
const VIDEO_EXTENSIONS: [&str; 8] = ["mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "wmv"];

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, CollectError> {
        let open = || -> io::Result<_> {
            let file = File::open(path)?;
            let file_bytes = file.metadata()?.len();
            Ok((file, file_bytes))
        };
        let (file, file_bytes) = open().map_err(CollectError::io(path))?;
        Ok(Self {
            path: path.to_owned(),
            stem: path_text::id(path.file_stem().unwrap_or(path.as_os_str())),
            file,
            file_bytes,
            position: Some(0),
        })
    }

    /// The next member. `None` at the end of the archive.
    fn member(&mut self) -> Option<Result<Member, CollectError>> {
        let position = self.position.take()?;
        match self.read_member(position) {
            Ok(member) => {
                let member = member?;
                let end = member.offset.checked_add(member.size);
                self.position = end.and_then(|end| end.checked_next_multiple_of(BLOCK));
                Some(self.check(&member).map(|()| member))
            }
            Err(error) => Some(Err(self.damaged(error.to_string()))),
        }
    }

    fn read_member(&self, position: u64) -> io::Result<Option<Member>> {
        if position > self.file_bytes {
            return Err(io::Error::other("it is cut off after a member"));
        }
        let mut file = &self.file;
        file.seek(SeekFrom::Start(position))?;
        // The archive starts at this member, so that its reader can stay a local variable.
        let mut archive = tar::Archive::new(file.take(LONGEST_HEADER));
        let Some(entry) = archive.entries()?.next() else {
            return Ok(None);
        };
        let mut entry = entry?;
        let mut is_sparse = entry.header().entry_type().is_gnu_sparse();
        if let Some(attributes) = entry.pax_extensions()? {
            for attribute in attributes {
                is_sparse |= attribute?.key_bytes().starts_with(b"GNU.sparse.");
            }
        }
        Ok(Some(Member {
            name: member_name(entry.path_bytes().into_owned()),
            kind: entry.header().entry_type(),
            is_sparse,
            offset: position + entry.raw_file_position(),
            size: entry.size(),
        }))
    }

    /// Refuses a member that is cut off or sparse. The archive ends there.
    fn check(&mut self, member: &Member) -> Result<(), CollectError> {
        let problem = "a sparse member is not read; write the archive again without --sparse";
        if member.is_sparse {
            self.position = None;
            return Err(CollectError::Member {
                name: self.name(member),
                problem,
            });
        }
        let available = self.file_bytes.saturating_sub(member.offset);
        if member.size > available {
            self.position = None;
            let (name, size) = (&member.name, member.size);
            return Err(self.damaged(format!(
                "the member {name} has {size} bytes, and only {available} of them are there"
            )));
        }
        Ok(())
    }

    /// The entry of a member. `None` if the member is left alone.
    fn visit(
        &self,
        member: Member,
        progress: &mut Progress,
    ) -> Result<Option<Entry>, CollectError> {
        let ignored = &mut progress.ignored;
        let kind = member.kind;
        if kind.is_dir() || kind.is_pax_global_extensions() || member.name.ends_with('/') {
            return Ok(None);
        }
        if kind.is_symlink() || kind.is_hard_link() {
            ignored.archive_links += 1;
            return Ok(None);
        }
        if !kind.is_file() && !kind.is_contiguous() {
            ignored.special += 1;
            return Ok(None);
        }
        if member
            .name
            .split('/')
            .any(|part| part != "." && part.starts_with('.'))
        {
            ignored.hidden += 1;
            return Ok(None);
        }
        match self
            .content(&member)
            .map_err(CollectError::io(&self.path))?
        {
            Content::Media => return Ok(Some(self.entry(&member))),
            Content::Compressed(compression) if is_compressed_media(&member.name) => {
                return Err(CollectError::Compressed {
                    name: self.name(&member),
                    format: compression.format,
                    advice: "write the archive again with members that are not compressed",
                });
            }
            Content::Tar | Content::Compressed(_) => ignored.archives += 1,
            Content::Other => ignored.not_media += 1,
        }
        Ok(None)
    }

    fn content(&self, member: &Member) -> io::Result<Content> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(member.offset))?;
        let start = content::start_of(file, member.size)?;
        Ok(Content::detect(&start))
    }

    fn entry(&self, member: &Member) -> Entry {
        Entry {
            id: format!("{}/{}", self.stem, without_extension(&member.name)),
            name: self.name(member),
            location: Location::TarMember {
                archive: self.path.clone(),
                offset: member.offset,
                size: member.size,
            },
        }
    }

    fn name(&self, member: &Member) -> String {
        format!("{}/{}", self.path.display(), member.name)
    }

    /// The failure of one member, or of the rest of the archive.
    fn failure(&self, error: CollectError) -> Failure {
        let member = if let CollectError::Member { name, .. }
        | CollectError::Compressed { name, .. } = &error
        {
            Some(name.clone())
        } else {
            None
        };
        let name = member.unwrap_or_else(|| self.path.display().to_string());
        Failure::of_input(error, name.clone(), name)
    }

    fn damaged(&self, problem: String) -> CollectError {
        CollectError::Archive {
            archive: self.path.clone(),
            problem,
        }
    }
}

impl Producer for Archive {
    fn next(&mut self, progress: &mut Progress) -> Option<Result<Found, Failure>> {
        loop {
            let visited = self
                .member()?
                .and_then(|member| self.visit(member, progress));
            if let Some(entry) = visited.transpose() {
                return Some(entry.map(Found::Entry).map_err(|error| self.failure(error)));
            }
        }
    }
}

fn member_name(bytes: Vec<u8>) -> String {
    let mut name = String::new();
    for chunk in bytes.utf8_chunks() {
        name += chunk.valid();
        name.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
    }
    let name = name.trim_start_matches('/');
    name.strip_prefix("./").unwrap_or(name).to_owned()
}

/// `a/cat.left.jpg` becomes `a/cat.left`.
fn without_extension(name: &str) -> &str {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    name[file..]
        .rfind('.')
        .map_or(name, |dot| &name[..file + dot])
}

/// Whether the name is that of a compressed image or video: `cat.jpg.gz`.
fn is_compressed_media(name: &str) -> bool {
    let inner = Path::new(without_extension(name)).extension();
    let inner = inner.map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    inner.is_some_and(|inner| {
        let mut images = ImageCodec::ALL.iter().flat_map(|codec| codec.extensions());
        images.any(|known| *known == inner) || VIDEO_EXTENSIONS.contains(&&*inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_start_and_their_extension() {
        assert_eq!(member_name(b"./a/cat.jpg".to_vec()), "a/cat.jpg");
        assert_eq!(member_name(b"/a\xff.jpg".to_vec()), "a%FF.jpg");
        assert_eq!(without_extension("a.b/cat.left.jpg"), "a.b/cat.left");
        assert_eq!(without_extension("a.b/cat"), "a.b/cat");
        assert!(is_compressed_media("a/cat.JPG.gz") && is_compressed_media("a.mp4.zst"));
        assert!(!is_compressed_media("a.json.gz") && !is_compressed_media("jpg.gz"));
    }
}
