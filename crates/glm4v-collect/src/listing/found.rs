use super::failure::Failure;
use crate::{Entry, Ignored, ListOptions};

/// Something that contains entries: a folder, an archive, a list.
pub(super) trait Producer: Send {
    /// The next entry, nested container or failure. `None` at the end.
    fn next(&mut self, progress: &mut Progress) -> Option<Result<Found, Failure>>;

    /// Whether its failures are those of an input that the caller named.
    fn is_named(&self) -> bool {
        false
    }
}

/// What a producer found.
pub(super) enum Found {
    Entry(Entry),
    /// Its entries come next.
    Nested(Box<dyn Producer>),
}

/// What all producers of a listing share.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) options: ListOptions,
    pub(super) ignored: Ignored,
    /// How many files and folders matched patterns.
    pub(super) matches: u64,
}

impl Found {
    pub(super) fn nested(producer: impl Producer + 'static) -> Self {
        Self::Nested(Box::new(producer))
    }
}

impl Progress {
    pub(super) fn new(options: ListOptions) -> Self {
        Self {
            options,
            ignored: Ignored::default(),
            matches: 0,
        }
    }
}
