use std::io;
use std::mem;
use std::path::Path;

use super::failure::Failure;
use super::found::{Found, Producer, Progress};
use super::walk::Walk;
use super::wildcard;
use crate::{CollectError, path_text};

/// A pattern whose files come next.
pub(super) struct Pattern {
    shown: String,
    state: State,
}

enum State {
    New(Walk),
    /// With [`Progress::matches`] before the walk.
    Walked(u64),
    Done,
}

impl Pattern {
    pub(super) fn new(path: &Path) -> Result<Self, CollectError> {
        let shown = path.display().to_string();
        let refuse = |problem| CollectError::Pattern {
            pattern: shown.clone(),
            problem,
        };
        let (base, filter) = wildcard::parse(path).map_err(refuse)?;
        let walk = Walk::filtered(&base, filter).map_err(|error| match error {
            CollectError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                CollectError::NoMatch {
                    pattern: shown.clone(),
                }
            }
            error => error,
        })?;
        let state = State::New(walk);
        Ok(Self { shown, state })
    }
}

impl Producer for Pattern {
    fn next(&mut self, progress: &mut Progress) -> Option<Result<Found, Failure>> {
        match mem::replace(&mut self.state, State::Done) {
            State::New(walk) => {
                self.state = State::Walked(progress.matches);
                Some(Ok(Found::nested(walk)))
            }
            State::Walked(before) if before == progress.matches => {
                let pattern = self.shown.clone();
                let (id, name) = (path_text::id(&pattern), pattern.clone());
                let error = CollectError::NoMatch { pattern };
                Some(Err(Failure::of_input(error, id, name)))
            }
            State::Walked(_) | State::Done => None,
        }
    }

    /// Its only failure is that nothing matches.
    fn is_named(&self) -> bool {
        true
    }
}
