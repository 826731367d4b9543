//! The inputs of a command: its arguments, and what folders, archives, lists and manifests name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use glm4v::pipeline::{Fetch, InputSource};
use glm4v_collect::{
    Entry, Failures, FetchLimits, Input, ListOptions, Location, Manifest, Media, MediaReader, list,
};

use crate::args::{CollectArgs, InputArgs};
use crate::console::Console;
use crate::failure::misuse;
use crate::pipes::{self, Pipes};
use crate::values::OnError;

/// Why a folder, an archive or a list has no input.
pub(crate) const NOTHING: &str = "contains no image and no video; -r takes those of subfolders too";

/// Inputs of one command, in order.
pub(crate) struct Listed {
    pub(crate) sources: Vec<InputSource>,
    /// The number of sources that each input names, in the order of [`inputs`].
    pub(crate) counts: Vec<usize>,
    /// Where videos from pipes, archives and URLs are saved.
    pub(crate) pipes: Pipes,
}

/// An input, or one of those that it names.
enum Found {
    /// A path that needs no listing.
    Plain(PathBuf),
    /// An entry of a folder, an archive, a list or a manifest.
    Entry(Entry),
}

/// An entry that is read when its turn comes.
#[derive(Debug)]
struct ListedEntry {
    entry: Entry,
    reader: MediaReader,
}

impl Listed {
    /// The inputs that `args` name. Fails if there is no input, or if an input does not exist and failures are not skipped.
    pub(crate) fn of(args: &InputArgs, on_error: OnError, console: &Console) -> Result<Self> {
        let (mut found, mut counts) = (Vec::new(), Vec::new());
        let options = options(args, Some(on_error));
        for input in inputs(args)? {
            let before = found.len();
            match plain(&input, options) {
                Some(path) => found.push(Found::Plain(path)),
                None => {
                    let entries = entries_of(&input, options, on_error, console)?;
                    found.extend(entries.into_iter().map(Found::Entry));
                }
            }
            counts.push(found.len() - before);
        }
        if found.is_empty() && !counts.is_empty() {
            bail!("there is nothing to read: no input contains an image or a video");
        }
        let paths: Vec<&PathBuf> = found.iter().filter_map(Found::plain).collect();
        let pipes = Pipes::among(&paths, on_error)?;
        let reader = MediaReader::new(&limits(&args.collect));
        let sources = found.into_iter().map(|found| match found {
            Found::Plain(path) => pipes::source(path),
            Found::Entry(entry) => source(entry, &reader),
        });
        let sources: Vec<InputSource> = sources.collect();
        let is_fetched = |source: &InputSource| matches!(source, InputSource::Fetched(_));
        let pipes = match sources.iter().any(is_fetched) {
            true => pipes.or_for_fetched(),
            false => pipes,
        };
        Ok(Self {
            sources,
            counts,
            pipes,
        })
    }

    /// One input.
    pub(crate) fn one(path: PathBuf) -> Result<Self> {
        let pipes = Pipes::among(&[&path], OnError::Stop)?;
        Ok(Self {
            sources: vec![pipes::source(path)],
            counts: vec![1],
            pipes,
        })
    }
}

impl Found {
    const fn plain(&self) -> Option<&PathBuf> {
        match self {
            Self::Plain(path) => Some(path),
            Self::Entry(_) => None,
        }
    }
}

/// The entries that an input names. The input is not a plain path.
fn entries_of(
    input: &Input,
    options: ListOptions,
    on_error: OnError,
    console: &Console,
) -> Result<Vec<Entry>> {
    let mut listing = list([input.clone()], options);
    let entries: Vec<Entry> = listing.by_ref().collect::<Result<_, _>>()?;
    match (entries.is_empty(), on_error) {
        (false, _) => {}
        (true, OnError::Stop) => bail!("{}: {NOTHING}", name(input)),
        (true, OnError::Skip) => console.warning(&format!("skipped: {}: {NOTHING}", name(input))),
    }
    let ignored = listing.ignored();
    if ignored.total() > 0 {
        console.note(&format!("{}: left alone {ignored}", name(input)));
    }
    Ok(entries)
}

/// All inputs in order: arguments, then lists, then manifests.
pub(crate) fn inputs(args: &InputArgs) -> Result<Vec<Input>> {
    let collect = &args.collect;
    let lists = collect.files_from.iter().map(|path| Input::List {
        path: path.clone(),
        nul: collect.null,
    });
    let manifests = collect.manifest.iter().map(|path| {
        Ok(Input::Manifest(Manifest {
            path_column: collect.path_column.clone(),
            id_column: collect.id_column.clone(),
            ..Manifest::new(path).map_err(|error| misuse(error.to_string()))?
        }))
    });
    let named = args.inputs.iter().map(Input::named);
    named.chain(lists).map(Ok).chain(manifests).collect()
}

/// How folders are listed. `on_error` is `None` for a job without `--on-error`. Such a job records failures, but the inputs that
/// the command line names must exist.
pub(crate) fn options(args: &InputArgs, on_error: Option<OnError>) -> ListOptions {
    ListOptions {
        recursive: args.collect.recursive,
        frames: args.collect.frames || args.read.source_fps.is_some(),
        pipes: true,
        failures: match on_error {
            None => Failures::EntriesIfFound,
            Some(OnError::Skip) => Failures::Entries,
            Some(OnError::Stop) => Failures::Errors,
        },
    }
}

/// What may be fetched.
pub(crate) fn limits(args: &CollectArgs) -> FetchLimits {
    FetchLimits {
        allow_private_hosts: args.allow_private_hosts,
        ..FetchLimits::default()
    }
}

/// The path of an input that needs no listing: the standard input, a pipe, a file that is no archive, or a folder that is a
/// video. Such a path can be any input of the pipeline, whose errors know more about it.
fn plain(input: &Input, options: ListOptions) -> Option<PathBuf> {
    let Input::Named(name) = input else {
        return None;
    };
    let path = Path::new(name);
    let is_plain = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => options.frames,
        Ok(metadata) => !metadata.is_file() || !glm4v_collect::is_archive(path),
        // A file that does not exist is reported by its plain name.
        Err(_) => !name.to_string_lossy().contains(['*', '?', '[', ':']),
    };
    is_plain.then(|| path.to_owned())
}

fn name(input: &Input) -> String {
    match input {
        Input::Named(name) => name.to_string_lossy().into_owned(),
        Input::List { path, .. } => path.display().to_string(),
        Input::Manifest(manifest) => manifest.path.display().to_string(),
    }
}

fn source(entry: Entry, reader: &MediaReader) -> InputSource {
    match entry.location {
        Location::Path(path) | Location::FrameFolder(path) => path.into(),
        Location::TarMember { .. } | Location::Url(_) | Location::Data(_) | Location::Failed(_) => {
            let reader = reader.clone();
            InputSource::Fetched(Arc::new(ListedEntry { entry, reader }))
        }
    }
}

impl Fetch for ListedEntry {
    fn name(&self) -> String {
        self.entry.name.clone()
    }

    /// A URL is fetched once, because the server may answer differently.
    fn can_refetch(&self) -> bool {
        !matches!(self.entry.location, Location::Url(_))
    }

    fn fetch(&self) -> Result<InputSource, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match self.reader.read(&self.entry)? {
            Media::Path(path) => path.into(),
            Media::Bytes(bytes) => InputSource::Bytes {
                name: self.name(),
                bytes,
            },
        })
    }
}
