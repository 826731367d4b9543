use std::path::{Path, PathBuf};

/// The folder of the goldens.
#[must_use]
pub fn golden_dir() -> PathBuf {
    tests_dir().join("golden")
}

/// The folder of the random cases that tests run.
#[must_use]
pub fn differential_dir() -> PathBuf {
    tests_dir().join("differential")
}

/// An image of `tests/images`.
#[must_use]
pub fn image_path(name: impl AsRef<Path>) -> PathBuf {
    tests_dir().join("images").join(name)
}

/// A video of `tests/videos`.
#[must_use]
pub fn video_path(name: impl AsRef<Path>) -> PathBuf {
    tests_dir().join("videos").join(name)
}

/// The folder `tests` of the workspace whose package cargo runs. Two checkouts that share a build folder share programs, so that
/// the folder in which this one was compiled may be the other checkout's. Without cargo, nothing else is known.
fn tests_dir() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let folders = package.iter().flat_map(|package| package.ancestors());
    let mut tests = folders.map(|folder| folder.join("tests"));
    tests
        .find(|tests| tests.join("golden").is_dir())
        .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into())
}
