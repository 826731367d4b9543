use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::{io, vec};

use super::archive::Archive;
use super::failure::Failure;
use super::folder_id::FolderId;
use super::found::{Found, Producer, Progress};
use super::in_threads;
use super::wildcard::{Filter, Step, is_hidden};
use crate::content::{self, Content};
use crate::{CollectError, Entry, Location, path_text};

/// A folder whose files come next, in the bytewise order of their names.
pub(super) struct Walk {
    dir: PathBuf,
    /// The start of the ids: empty, or ends with `/`.
    ids: String,
    names: vec::IntoIter<OsString>,
    /// The names that were looked at, and are not visited yet. They come before `names`.
    seen: vec::IntoIter<(OsString, Seen)>,
    /// This folder, and those that it is in.
    ancestors: Vec<FolderId>,
    /// `None`: every file that is not hidden.
    filter: Option<Filter>,
}

/// What was seen at a name.
enum Seen {
    /// The filter leaves it alone.
    Unmatched,
    Hidden,
    There(Step, Result<Target, CollectError>),
}

/// What a path leads to. Links are followed.
enum Target {
    /// The link leads nowhere.
    Missing,
    Folder,
    File(Content),
    /// A file that does not match, so it was not opened.
    Unopened,
    /// A pipe, a socket or a device.
    Special,
}

impl Walk {
    /// All files of a folder. Their ids start with `ids`.
    pub(super) fn all(
        dir: &Path,
        ids: String,
        ancestors: &[FolderId],
    ) -> Result<Self, CollectError> {
        Self::open(dir, ids, ancestors, None)
    }

    /// The files below a folder that pass a filter. Their ids are their paths.
    pub(super) fn filtered(dir: &Path, filter: Filter) -> Result<Self, CollectError> {
        Self::open(dir, folder_ids(dir), &[], Some(filter))
    }

    fn open(
        dir: &Path,
        ids: String,
        ancestors: &[FolderId],
        filter: Option<Filter>,
    ) -> Result<Self, CollectError> {
        let opened = if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        };
        let read = || -> io::Result<_> {
            let names = fs::read_dir(opened)?.map(|entry| Ok(entry?.file_name()));
            Ok((
                names.collect::<io::Result<Vec<_>>>()?,
                FolderId::of(opened)?,
            ))
        };
        let (mut names, id) = read().map_err(CollectError::io(opened))?;
        names.sort_unstable_by(|one, other| one.as_encoded_bytes().cmp(other.as_encoded_bytes()));
        Ok(Self {
            dir: dir.to_owned(),
            ids,
            names: names.into_iter(),
            seen: Vec::new().into_iter(),
            ancestors: [ancestors, &[id]].concat(),
            filter,
        })
    }

    /// The next name, and what was seen there. Many names are looked at together, so that the waits for a slow disk overlap.
    fn next_seen(&mut self) -> Option<(OsString, Seen)> {
        if self.seen.len() == 0 {
            let names: Vec<_> = self.names.by_ref().take(in_threads::MOST_ITEMS).collect();
            let seen = in_threads::map(&names, |name| self.look(name));
            let seen: Vec<_> = names.into_iter().zip(seen).collect();
            self.seen = seen.into_iter();
        }
        self.seen.next()
    }

    fn look(&self, name: &OsStr) -> Seen {
        let step = match &self.filter {
            Some(filter) => filter.step(name),
            None if is_hidden(name) => return Seen::Hidden,
            None => Step {
                matched: true,
                below: None,
            },
        };
        if !step.matched && step.below.is_none() {
            return Seen::Unmatched;
        }
        let target = Target::of(&self.dir.join(name), step.matched);
        Seen::There(step, target)
    }

    /// What becomes of a name. `None` if it is left alone.
    fn visit(
        &self,
        name: &OsStr,
        seen: Seen,
        progress: &mut Progress,
    ) -> Result<Option<Found>, CollectError> {
        let (step, target) = match seen {
            Seen::Unmatched => return Ok(None),
            Seen::Hidden => {
                progress.ignored.hidden += 1;
                return Ok(None);
            }
            Seen::There(step, target) => (step, target),
        };
        if self.filter.is_some() && step.matched && !matches!(target, Ok(Target::Missing)) {
            progress.matches += 1;
        }
        let path = self.dir.join(name);
        match target? {
            Target::Folder => return self.visit_folder(&path, name, step, progress),
            Target::File(content) => return self.visit_file(path, name, content, progress),
            Target::Missing => progress.ignored.links += 1,
            Target::Special if step.matched => progress.ignored.special += 1,
            Target::Special | Target::Unopened => {}
        }
        Ok(None)
    }

    fn visit_folder(
        &self,
        path: &Path,
        name: &OsStr,
        step: Step,
        progress: &mut Progress,
    ) -> Result<Option<Found>, CollectError> {
        let ids = self.id(name);
        if step.matched && progress.options.frames {
            let location = Location::FrameFolder(path.to_owned());
            return Ok(Some(found(ids, path, location)));
        }
        let filter = match (step.matched && progress.options.recursive, step.below) {
            (true, _) => None,
            (false, Some(below)) => Some(below),
            (false, None) => {
                progress.ignored.folders += 1;
                return Ok(None);
            }
        };
        let id = FolderId::of(path).map_err(CollectError::io(path))?;
        if self.ancestors.contains(&id) {
            progress.ignored.loops += 1;
            return Ok(None);
        }
        let walk = Self::open(path, ids + "/", &self.ancestors, filter)?;
        Ok(Some(Found::nested(walk)))
    }

    fn visit_file(
        &self,
        path: PathBuf,
        name: &OsStr,
        content: Content,
        progress: &mut Progress,
    ) -> Result<Option<Found>, CollectError> {
        match content {
            Content::Media => {
                let location = Location::Path(path.clone());
                return Ok(Some(found(self.id(name), &path, location)));
            }
            // A pattern names an archive, as it would in a shell.
            Content::Tar if self.filter.is_some() => {
                return Archive::open(&path).map(|archive| Some(Found::nested(archive)));
            }
            Content::Tar | Content::Compressed(_) => progress.ignored.archives += 1,
            Content::Other => progress.ignored.not_media += 1,
        }
        Ok(None)
    }

    fn id(&self, name: &OsStr) -> String {
        format!("{}{}", self.ids, path_text::id(name))
    }
}

impl Producer for Walk {
    fn next(&mut self, progress: &mut Progress) -> Option<Result<Found, Failure>> {
        loop {
            let (name, seen) = self.next_seen()?;
            if let Some(found) = self.visit(&name, seen, progress).transpose() {
                let failure = |error| Failure::at(error, self.id(&name), &self.dir.join(&name));
                return Some(found.map_err(failure));
            }
        }
    }
}

fn found(id: String, path: &Path, location: Location) -> Found {
    Found::Entry(Entry {
        id,
        name: path.display().to_string(),
        location,
    })
}

/// The start of the ids of files in a folder.
fn folder_ids(dir: &Path) -> String {
    let id = path_text::id(dir);
    if id.is_empty() || id.ends_with('/') {
        id
    } else {
        id + "/"
    }
}

impl Target {
    /// Only with `open` a file is opened.
    fn of(path: &Path, open: bool) -> Result<Self, CollectError> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied && path.is_symlink() => {
                return Ok(Self::Missing);
            }
            Err(source) => return Err(CollectError::io(path)(source)),
        };
        if metadata.is_dir() {
            return Ok(Self::Folder);
        }
        if !metadata.is_file() {
            return Ok(Self::Special);
        }
        if !open {
            return Ok(Self::Unopened);
        }
        let start = content::read_start(path, metadata.len()).map_err(CollectError::io(path))?;
        Ok(Self::File(Content::detect(&start)))
    }
}
