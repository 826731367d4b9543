//! What packed weights depend on.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use glm4v_config::VisionConfig;
use glm4v_model::{CpuBuilder, Precision};
use sha2::{Digest, Sha256};

use super::EXTENSION;
use crate::file::{WeightsFile, identity};
use crate::stored::StoredParameter;

/// Times of files are as exact as this, at least. A second edit within this time could leave them as they are.
const EXACTNESS: Duration = Duration::from_secs(1);

/// The key of an entry.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// A hash of the files' paths, the precision and the layouts. An entry for new content of these files replaces the old one.
    name: [u8; 16],
    /// A hash of everything that the packed weights depend on.
    content: [u8; 32],
    /// When the files changed last.
    changed: SystemTime,
    /// When the key was made.
    made: SystemTime,
}

impl Key {
    /// The key of a tower, for the files as they are now.
    pub(super) fn new(
        parameters: &[StoredParameter<'_>],
        config: &VisionConfig,
        precision: Precision,
    ) -> io::Result<Self> {
        let made = SystemTime::now();
        let mut files: Vec<&WeightsFile> = Vec::new();
        let mut places = String::new();
        for stored in parameters {
            places += &stored.parameter.key;
            for extent in &stored.extents {
                let known = files.iter().position(|file| file.path == extent.file.path);
                let index = known.unwrap_or(files.len());
                if known.is_none() {
                    files.push(extent.file);
                }
                let (start, bytes, encoding) = (extent.start, extent.bytes, extent.encoding);
                places += &format!(" {index} {start} {bytes} {encoding}");
            }
            places.push('\n');
        }
        let (mut name, mut content) = (Sha256::new(), Sha256::new());
        let mut changed = SystemTime::UNIX_EPOCH;
        for file in files {
            let (path, metadata) = (canonical(&file.path)?, file.metadata()?);
            let path = path.as_os_str().as_encoded_bytes();
            // With its length, so that paths cannot run into each other.
            name.update((path.len() as u64).to_le_bytes());
            name.update(path);
            for number in identity(&metadata)? {
                content.update(number.to_le_bytes());
            }
            changed = changed.max(last_change(&metadata)?);
        }
        let version = env!("CARGO_PKG_VERSION");
        let layouts = CpuBuilder::layouts(precision);
        name.update(format!("\n{version} {precision:?}\n{layouts}"));
        let name: [u8; 32] = name.finalize().into();
        content.update(name);
        content.update(serde_json::to_vec(config).expect("a configuration is JSON"));
        content.update(places);
        let (first, _) = name.split_first_chunk().expect("a hash is longer");
        Ok(Self {
            name: *first,
            content: content.finalize().into(),
            changed,
            made,
        })
    }

    pub(super) fn file_name(&self) -> String {
        let digits = self.name.iter().map(|byte| format!("{byte:02x}"));
        format!("{}.{EXTENSION}", digits.collect::<String>())
    }

    /// The content as an entry records it.
    pub(super) fn content(&self) -> String {
        let digits = self.content.iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }

    /// Whether the files are as they were when the other key was made.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.content == other.content
    }

    /// Whether the last change of the files is so long ago that a later one would be seen.
    pub(super) fn is_settled(&self) -> bool {
        let since = self.made.duration_since(self.changed);
        // A time in the future is seen, too: the next edit sets an earlier one.
        since.unwrap_or_else(|ahead| ahead.duration()) >= EXACTNESS
    }
}

/// Without links, so that all names of a file have one entry.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

/// The later one of the two times of a file.
fn last_change(metadata: &Metadata) -> io::Result<SystemTime> {
    let modified = metadata.modified()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let changed = Duration::new(
            metadata.ctime().unsigned_abs(),
            metadata.ctime_nsec().unsigned_abs() as u32,
        );
        let changed = SystemTime::UNIX_EPOCH.checked_add(changed);
        Ok(modified.max(changed.unwrap_or(modified)))
    }
    #[cfg(not(unix))]
    Ok(modified)
}
