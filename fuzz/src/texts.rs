use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

/// What separates the files of one input.
const SEPARATOR: &[u8] = b"\n\xff\n";

/// The files of an input, `N` of them. Missing ones are empty.
pub fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut rest = data;
    let mut number = 0;
    [(); N].map(|()| {
        number += 1;
        let found = rest
            .windows(SEPARATOR.len())
            .position(|window| window == SEPARATOR);
        match found.filter(|_| number < N) {
            Some(place) => {
                let (part, behind) = rest.split_at(place);
                rest = &behind[SEPARATOR.len()..];
                part
            }
            None => std::mem::take(&mut rest),
        }
    })
}

/// An empty folder for one run. The folder above it lasts as long as the process.
pub fn scratch() -> PathBuf {
    static ROOT: OnceLock<TempDir> = OnceLock::new();
    let memory = Path::new("/dev/shm");
    let root = ROOT.get_or_init(|| {
        let created = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        created.expect("a temporary folder")
    });
    let dir = root.path().join("run");
    // It is missing in the first run.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir(&dir).expect("a folder in the temporary folder");
    dir
}
