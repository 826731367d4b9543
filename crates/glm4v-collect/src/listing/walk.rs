use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::{io, vec};

use super::archive::Archive;
use super::failure::Failure;
use super::folder_id::FolderId;
use super::found::{Found, Producer, Progress};
use super::wildcard::{Filter, Step, is_hidden};
use crate::content::{self, Content};
use crate::{CollectError, Entry, Location, path_text};

/// A folder whose files come next, in the bytewise order of their names.
pub(super) struct Walk {
    dir: PathBuf,
    /// The start of the ids: empty, or ends with `/`.
    ids: String,
    names: vec::IntoIter<OsString>,
    /// This folder, and those that it is in.
    ancestors: Vec<FolderId>,
    /// `None`: every file that is not hidden.
    filter: Option<Filter>,
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
            ancestors: [ancestors, &[id]].concat(),
            filter,
        })
    }

    /// Looks at one name of the folder. `None` if it is left alone.
    fn visit(&self, name: &OsStr, progress: &mut Progress) -> Result<Option<Found>, CollectError> {
        let step = match &self.filter {
            Some(filter) => filter.step(name),
            None if is_hidden(name) => {
                progress.ignored.hidden += 1;
                return Ok(None);
            }
            None => Step {
                matched: true,
                below: None,
            },
        };
        if !step.matched && step.below.is_none() {
            return Ok(None);
        }
        let path = self.dir.join(name);
        let Some(metadata) = target(&path)? else {
            progress.ignored.links += 1;
            return Ok(None);
        };
        let is_dir = metadata.is_dir();
        if self.filter.is_some() && step.matched {
            progress.matches += 1;
        }
        if is_dir {
            self.visit_folder(&path, name, step, progress)
        } else if step.matched {
            self.visit_file(path, name, &metadata, progress)
        } else {
            Ok(None)
        }
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
        metadata: &Metadata,
        progress: &mut Progress,
    ) -> Result<Option<Found>, CollectError> {
        if !metadata.is_file() {
            progress.ignored.special += 1;
            return Ok(None);
        }
        let start = content::read_start(&path, metadata.len());
        let start = start.map_err(CollectError::io(&path))?;
        match Content::detect(&start) {
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
            let name = self.names.next()?;
            if let Some(found) = self.visit(&name, progress).transpose() {
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

/// What lies at a path, or where the link there leads. `None` for a link that leads nowhere.
fn target(path: &Path) -> Result<Option<Metadata>, CollectError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied && path.is_symlink() => {
            Ok(None)
        }
        Err(source) => Err(CollectError::io(path)(source)),
    }
}
