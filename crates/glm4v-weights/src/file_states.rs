use std::path::PathBuf;

use crate::WeightsError;
use crate::file::{WeightsFile, identity};

/// The lengths, the times and, on Unix, the inodes of a checkpoint's files at one moment.
///
/// They tell whether a tower that was loaded is still the one on the disk ([`Checkpoint::fingerprint_of`]).
///
/// [`Checkpoint::fingerprint_of`]: crate::Checkpoint::fingerprint_of
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStates(Vec<(PathBuf, [u128; 4])>);

impl FileStates {
    pub(crate) fn new(files: &[WeightsFile]) -> Result<Self, WeightsError> {
        let state = |file: &WeightsFile| {
            let state = file.metadata().and_then(|metadata| identity(&metadata));
            state
                .map(|state| (file.path.clone(), state))
                .map_err(WeightsError::io(&file.path))
        };
        Ok(Self(files.iter().map(state).collect::<Result<_, _>>()?))
    }

    /// Checks that the files are still as they were.
    ///
    /// # Errors
    /// [`WeightsError::Changed`] for a file that was changed, replaced, removed or added.
    pub fn check(&self, now: &Self) -> Result<(), WeightsError> {
        let changed = self.0.iter().find(|file| !now.contains(file));
        match changed.or_else(|| now.0.iter().find(|file| !self.contains(file))) {
            None => Ok(()),
            Some((path, _)) => Err(WeightsError::Changed { path: path.clone() }),
        }
    }

    /// The folder can be named in another way.
    fn contains(&self, (path, state): &(PathBuf, [u128; 4])) -> bool {
        let mut files = self.0.iter();
        files.any(|(other, found)| found == state && other.file_name() == path.file_name())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;
    use std::time::SystemTime;

    use glm4v_config::Preset;

    use super::*;
    use crate::{Checkpoint, Encoding, WriteOptions, write_checkpoint};

    fn write(dir: &Path) {
        let preset = Preset::Tiny;
        let options = WriteOptions {
            model_type: preset.model_type(),
            vision: &preset.vision(),
            image_processor: &preset.image_processor(),
            video_processor: &preset.video_processor(),
            seed: 0,
            encoding: Encoding::F32,
        };
        write_checkpoint(dir, &options).unwrap();
    }

    #[test]
    fn a_file_that_changed_after_loading_has_no_fingerprint() {
        let dir = tempfile::tempdir().unwrap();
        let (path, config) = (dir.path().join("a"), Preset::Tiny.vision());
        write(&path);
        let open = || Checkpoint::open(&path).unwrap();
        let loaded = open().file_states().unwrap();
        let fingerprint = || open().fingerprint_of(&loaded, &config);
        assert_eq!(fingerprint().unwrap(), open().fingerprint(&config).unwrap());
        let other_name = Checkpoint::open(path.join("../a")).unwrap();
        loaded.check(&other_name.file_states().unwrap()).unwrap();

        let shard = loaded.0[0].0.clone();
        File::options()
            .write(true)
            .open(&shard)
            .and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH))
            .unwrap();
        let message = fingerprint().unwrap_err().to_string();
        let name = shard.display().to_string();
        assert!(message.starts_with(&name), "{message}");
        assert!(message.contains("load the model again"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn another_file_of_the_same_bytes_and_times_is_a_change() {
        use std::fs;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path);
        let states = || Checkpoint::open(&path).unwrap().file_states().unwrap();
        let before = states();
        let shard = before.0[0].0.clone();
        let modified = fs::metadata(&shard).unwrap().modified().unwrap();
        let copy = dir.path().join("copy");
        fs::copy(&shard, &copy).unwrap();
        let file = File::options().write(true).open(&copy).unwrap();
        file.set_modified(modified).unwrap();
        fs::rename(&copy, &shard).unwrap();
        before.check(&states()).unwrap_err();
    }

    #[test]
    fn files_are_neither_added_nor_removed() {
        let file = |name: &str| (PathBuf::from(name), [0; 4]);
        let (one, two) = (
            FileStates(vec![file("a")]),
            FileStates(vec![file("a"), file("b")]),
        );
        one.check(&one).unwrap();
        for (before, now) in [(&one, &two), (&two, &one)] {
            let message = before.check(now).unwrap_err().to_string();
            assert!(message.starts_with("b: "), "{message}");
        }
    }
}
