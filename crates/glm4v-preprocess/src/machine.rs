use std::io;

/// Open files of the process, and of the system: EMFILE and ENFILE of Unix.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// Whether the machine failed, and not the file that was read: a disk is full, memory ran out, or the process may not open
/// more files. Other files would fail in the same way.
#[must_use]
pub fn is_machine_fault(error: &io::Error) -> bool {
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
    use super::*;

    #[test]
    fn a_full_disk_is_a_fault_of_the_machine() {
        assert!(is_machine_fault(&io::ErrorKind::StorageFull.into()));
        assert!(!is_machine_fault(&io::ErrorKind::PermissionDenied.into()));
    }

    #[cfg(unix)]
    #[test]
    fn too_many_open_files_are_a_fault_of_the_machine() {
        let error = io::Error::from_raw_os_error;
        assert!(is_machine_fault(&error(24)) && is_machine_fault(&error(23)));
        assert!(!is_machine_fault(&error(2)));
    }
}
