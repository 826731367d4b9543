//! Whose fault a failure is: that of the input, or that of the machine.

use std::io;

use glm4v::Error;
use glm4v::pipeline::InputError;
use glm4v::preprocess::PreprocessError;
use glm4v_collect::CollectError;

/// Open files of the process, and of the system: EMFILE and ENFILE of Unix.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// Whether the machine failed, and not the input: ffmpeg is not installed, the disk for temporary files is full, or the process
/// may not open more files. Other inputs would fail in the same way.
pub(super) fn is_of_machine(error: &InputError) -> bool {
    match &*error.source {
        Error::Preprocess(error) => is_of_preprocess(error),
        Error::Fetch(error) => match error.downcast_ref::<CollectError>() {
            Some(CollectError::Io { source, .. } | CollectError::Connection { source, .. }) => {
                is_io(source)
            }
            Some(_) | None => false,
        },
        _ => false,
    }
}

/// Whether another attempt may succeed, because the network or a server failed.
pub(super) fn is_temporary(error: &InputError) -> bool {
    match &*error.source {
        Error::Fetch(error) => error
            .downcast_ref::<CollectError>()
            .is_some_and(CollectError::is_temporary),
        _ => false,
    }
}

fn is_of_preprocess(error: &PreprocessError) -> bool {
    match error {
        PreprocessError::NoProgram { .. } | PreprocessError::Spool { .. } => true,
        PreprocessError::File { source, .. } => is_of_preprocess(source),
        PreprocessError::Io { source, .. } => is_io(source),
        _ => false,
    }
}

fn is_io(error: &io::Error) -> bool {
    let kinds = [
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::OutOfMemory,
    ];
    let has_no_files = |code| cfg!(unix) && TOO_MANY_FILES.contains(&code);
    kinds.contains(&error.kind()) || error.raw_os_error().is_some_and(has_no_files)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn error(source: impl Into<Error>) -> InputError {
        InputError {
            index: 0,
            name: "a.mp4".into(),
            source: Arc::new(source.into()),
        }
    }

    fn in_file(source: PreprocessError) -> InputError {
        error(source.in_file("a.mp4".as_ref()))
    }

    #[test]
    fn a_missing_program_and_a_full_disk_are_faults_of_the_machine() {
        let io = |kind: io::ErrorKind| PreprocessError::Io {
            path: "a.mp4".into(),
            source: kind.into(),
        };
        assert!(is_of_machine(&in_file(PreprocessError::NoProgram {
            program: "ffmpeg".into()
        })));
        assert!(is_of_machine(&in_file(PreprocessError::Spool {
            dir: "/tmp".into(),
            source: io::ErrorKind::StorageFull.into()
        })));
        assert!(is_of_machine(&error(io(io::ErrorKind::StorageFull))));
        assert!(!is_of_machine(&error(io(io::ErrorKind::PermissionDenied))));
        assert!(!is_of_machine(&in_file(PreprocessError::NoFrames)));
    }

    #[cfg(unix)]
    #[test]
    fn too_many_open_files_are_a_fault_of_the_machine() {
        let io = |code| CollectError::Io {
            path: "a.tar".into(),
            source: io::Error::from_raw_os_error(code),
        };
        let fetch = |failure| error(Error::Fetch(Box::new(failure)));
        assert!(is_of_machine(&fetch(io(24))) && is_of_machine(&fetch(io(23))));
        assert!(!is_of_machine(&fetch(io(2))));
        assert!(!is_temporary(&fetch(io(24))));
        let timeout = CollectError::Timeout {
            url: "http://a.example/".into(),
            seconds: 60.0,
        };
        assert!(is_temporary(&fetch(timeout)));
    }
}
