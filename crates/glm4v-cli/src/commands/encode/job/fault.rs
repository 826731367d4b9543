//! Whose fault a failure is: that of the input, or that of the machine.

use glm4v::Error;
use glm4v::pipeline::InputError;
use glm4v_collect::CollectError;

/// Whether the machine failed, and not the input. Other inputs would fail in the same way.
pub(super) fn is_of_machine(error: &InputError) -> bool {
    if let Error::Preprocess(error) = &*error.source {
        return error.is_of_machine();
    }
    of_collect(error).is_some_and(CollectError::is_of_machine)
}

/// Whether another attempt may succeed, because the network or a server failed.
pub(super) fn is_temporary(error: &InputError) -> bool {
    of_collect(error).is_some_and(CollectError::is_temporary)
}

fn of_collect(error: &InputError) -> Option<&CollectError> {
    let Error::Fetch(error) = &*error.source else {
        return None;
    };
    error.downcast_ref()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use glm4v::preprocess::PreprocessError;

    use super::*;

    fn error(source: impl Into<Error>) -> InputError {
        InputError {
            index: 0,
            name: "a.mp4".into(),
            source: Arc::new(source.into()),
        }
    }

    fn fetch(failure: CollectError) -> InputError {
        error(Error::Fetch(Box::new(failure)))
    }

    #[test]
    fn a_full_disk_is_a_fault_of_the_machine() {
        let io = |kind: io::ErrorKind| PreprocessError::Io {
            path: "a.mp4".into(),
            source: kind.into(),
        };
        let in_archive = |kind: io::ErrorKind| CollectError::Io {
            path: "a.tar".into(),
            source: kind.into(),
        };
        let full = io::ErrorKind::StorageFull;
        assert!(is_of_machine(&error(io(full))));
        assert!(is_of_machine(&fetch(in_archive(full))));
        assert!(!is_temporary(&fetch(in_archive(full))));
        let forbidden = io::ErrorKind::PermissionDenied;
        assert!(!is_of_machine(&error(io(forbidden))));
        assert!(!is_of_machine(&fetch(in_archive(forbidden))));
        assert!(!is_of_machine(&error(Error::Cancelled)));
    }

    #[test]
    fn a_timeout_is_temporary() {
        let timeout = CollectError::Timeout {
            url: "http://a.example/".into(),
            seconds: 60.0,
        };
        let timeout = fetch(timeout);
        assert!(is_temporary(&timeout) && !is_of_machine(&timeout));
        assert!(!is_temporary(&error(Error::Cancelled)));
    }
}
