use crate::{CollectError, Entry, Ignored, ListOptions};

/// Something that contains entries: a folder, an archive, a list.
pub(super) trait Producer: Send {
    /// The next entry, nested container or error. `None` at the end.
    fn next(&mut self, progress: &mut Progress) -> Option<Result<Found, CollectError>>;
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
