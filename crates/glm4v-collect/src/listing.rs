//! Inputs become entries, one at a time.

mod archive;
mod failure;
mod file_list;
mod folder_id;
mod found;
mod in_threads;
mod named;
mod pattern;
mod rows;
mod walk;
mod wildcard;

use crate::{CollectError, Entry, Failures, Ignored, Input, ListOptions};
use failure::Failure;
use file_list::FileList;
use found::{Found, Producer, Progress};
use rows::ManifestRows;

/// The entries of a job, in order: see [`list`].
pub struct Listing {
    inputs: Box<dyn Iterator<Item = Input> + Send>,
    /// The folders, archives and lists that are being read. The last is in the others.
    open: Vec<Box<dyn Producer>>,
    progress: Progress,
}

/// Lists the entries of inputs, in the order of the inputs. Files and folders are read while the iterator runs.
///
/// An error belongs to one input or one file. The iterator goes on after it with the next one. With
/// [`ListOptions::failures`] such an input becomes an entry that fails when it is read. A list or a manifest that cannot be
/// read to its end is an error always.
///
/// ```
/// use glm4v_collect::{Input, ListOptions, list};
///
/// let inputs = [Input::named("no such file.jpg"), Input::named("https://images.example/cat.jpg?w=640")];
/// let found: Vec<_> = list(inputs, ListOptions::default()).collect();
/// assert!(found[0].is_err());
/// assert_eq!(found[1].as_ref().unwrap().name, "https://images.example/cat.jpg?…");
/// ```
pub fn list<I>(inputs: I, options: ListOptions) -> Listing
where
    I: IntoIterator<Item = Input>,
    I::IntoIter: Send + 'static,
{
    Listing {
        inputs: Box::new(inputs.into_iter()),
        open: Vec::new(),
        progress: Progress::new(options),
    }
}

impl Listing {
    /// Counts of what was left alone so far.
    #[must_use]
    pub fn ignored(&self) -> Ignored {
        self.progress.ignored
    }

    fn start(&mut self, input: Input) -> Result<Found, Failure> {
        match input {
            Input::Named(text) => named::find(&text, named::Patterns::Expand, &self.progress),
            Input::List { path, nul } => FileList::open(path, nul)
                .map(Found::nested)
                .map_err(Failure::of_list),
            Input::Manifest(manifest) => ManifestRows::open(&manifest)
                .map(Found::nested)
                .map_err(Failure::of_list),
        }
    }

    /// What becomes of a failure. `is_named`: the caller named the input itself.
    fn failed(&self, failure: Failure, is_named: bool) -> Result<Entry, CollectError> {
        match self.progress.options.failures {
            Failures::Entries => failure.into_entry(),
            Failures::EntriesIfFound if !is_named => failure.into_entry(),
            Failures::EntriesIfFound | Failures::Errors => Err(failure.into_error()),
        }
    }
}

impl Iterator for Listing {
    type Item = Result<Entry, CollectError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut is_named = self.open.is_empty();
            let found = match self.open.last_mut() {
                Some(producer) => {
                    is_named = producer.is_named();
                    producer.next(&mut self.progress)
                }
                None => {
                    let input = self.inputs.next()?;
                    Some(self.start(input))
                }
            };
            match found {
                None => {
                    self.open.pop();
                }
                Some(Ok(Found::Nested(producer))) => self.open.push(producer),
                Some(Ok(Found::Entry(entry))) => return Some(Ok(entry)),
                Some(Err(failure)) => return Some(self.failed(failure, is_named)),
            }
        }
    }
}

impl std::fmt::Debug for Listing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Listing")
            .field("open", &self.open.len())
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
