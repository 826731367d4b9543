use std::fs::{self, File, FileTimes};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use burn::tensor::Device;
use glm4v_config::{ImageProcessorConfig, ModelType, VideoProcessorConfig, VisionConfig};
use glm4v_model::{ComputeMode, Precision};

use super::{PackedCache, Packing};
use crate::loader::tests::outputs;
use crate::{Checkpoint, Encoding, WriteOptions, write_checkpoint};

fn config() -> VisionConfig {
    VisionConfig {
        depth: 1,
        hidden_size: 24,
        num_heads: 3,
        image_size: 12,
        patch_size: 3,
        out_hidden_size: 20,
        intermediate_size: 28,
        ..VisionConfig::default()
    }
}

#[test]
fn the_users_cache_has_an_absolute_path() {
    let dir = tempfile::tempdir().unwrap();
    let cache = PackedCache::below(dir.path()).unwrap();
    assert_eq!(cache.dir, dir.path().join("packed"));
    assert_eq!(PackedCache::below("~/c".as_ref()), None);
}

/// A directory with a checkpoint and a cache.
struct Place {
    dir: tempfile::TempDir,
    cache: PackedCache,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = PackedCache {
            min_bytes: 0,
            ..PackedCache::new(dir.path().join("cache/packed"))
        };
        let place = Self { dir, cache };
        place.write(0);
        place
    }

    fn checkpoint(&self) -> PathBuf {
        self.dir.path().join("checkpoint")
    }

    /// Writes a checkpoint of random weights, and waits until a change of it would be seen.
    fn write(&self, seed: u64) {
        let _ = fs::remove_dir_all(self.checkpoint());
        let options = WriteOptions {
            model_type: ModelType::Glm4v,
            vision: &config(),
            image_processor: &ImageProcessorConfig::default(),
            video_processor: &VideoProcessorConfig::default(),
            seed,
            encoding: Encoding::F32,
        };
        write_checkpoint(&self.checkpoint(), &options).unwrap();
        settle();
    }

    /// A file of the checkpoint.
    fn shard(&self) -> PathBuf {
        let files = fs::read_dir(self.checkpoint()).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        let is_shard = |file: &PathBuf| file.extension().is_some_and(|end| end == "safetensors");
        files.find(is_shard).unwrap()
    }

    fn load(&self, precision: Precision) -> (Vec<f32>, Packing) {
        let checkpoint = Checkpoint::open(self.checkpoint()).unwrap();
        let loaded = checkpoint.load_packed(&config(), &Device::flex(), precision, &self.cache);
        let (model, packing) = loaded.unwrap();
        (outputs(&model), packing)
    }

    /// The same without a cache.
    fn expected(&self, precision: Precision) -> Vec<f32> {
        let checkpoint = Checkpoint::open(self.checkpoint()).unwrap();
        let mode = ComputeMode::Cpu(precision);
        outputs(&checkpoint.load(&config(), &Device::flex(), mode).unwrap().0)
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.cache.dir).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files
            .filter(|file| file.extension().is_some_and(|found| found == extension))
            .collect()
    }
}

fn settle() {
    thread::sleep(Duration::from_millis(1100));
}

fn is_found(packing: &Packing) -> bool {
    matches!(packing, Packing::Found(_))
}

fn is_stored(packing: &Packing) -> bool {
    matches!(packing, Packing::Stored(_))
}

/// Makes an entry writable, as an accident could.
fn writable(path: &Path) -> File {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    File::options().read(true).write(true).open(path).unwrap()
}

#[test]
fn stored_weights_give_the_same_bits() {
    let place = Place::new();
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let expected = place.expected(precision);
        let (first, packing) = place.load(precision);
        assert!(is_stored(&packing), "{packing}");
        assert!(first == expected, "{precision:?}");
        let (second, packing) = place.load(precision);
        assert!(is_found(&packing), "{packing}");
        assert!(second == expected, "{precision:?}");
    }
    assert_eq!(place.files("packed").len(), 3);
    assert!(place.files("tmp").is_empty());
}

#[test]
fn an_edited_checkpoint_is_packed_again() {
    let place = Place::new();
    let (before, _) = place.load(Precision::F32);
    let file = place.shard();
    let times = fs::metadata(&file).unwrap().modified().unwrap();
    let mut shard = File::options().read(true).write(true).open(&file).unwrap();
    // The sign of a weight, with the old time of the file.
    shard.seek(SeekFrom::End(-1)).unwrap();
    let mut byte = [0];
    shard.read_exact(&mut byte).unwrap();
    shard.seek(SeekFrom::End(-1)).unwrap();
    shard.write_all(&[byte[0] ^ 0x80]).unwrap();
    let expected = place.expected(Precision::F32);
    assert!(before != expected);
    let (found, packing) = place.load(Precision::F32);
    assert!(found == expected);
    assert_eq!(
        packing,
        Packing::Own("the checkpoint changed a moment ago".into())
    );
    shard
        .set_times(FileTimes::new().set_modified(times))
        .unwrap();
    settle();
    let (found, packing) = place.load(Precision::F32);
    assert!(found == expected);
    if cfg!(unix) {
        assert!(is_stored(&packing), "{packing}");
        assert!(is_found(&place.load(Precision::F32).1));
        assert_eq!(place.files("packed").len(), 1);
    }
}

#[test]
fn another_configuration_is_another_tower() {
    let place = Place::new();
    place.load(Precision::F32);
    let checkpoint = Checkpoint::open(place.checkpoint()).unwrap();
    let config = VisionConfig {
        rms_norm_eps: 0.5,
        ..config()
    };
    let load = || {
        let (device, precision) = (Device::flex(), Precision::F32);
        let loaded = checkpoint.load_packed(&config, &device, precision, &place.cache);
        let (model, packing) = loaded.unwrap();
        (outputs(&model), packing)
    };
    let (found, packing) = load();
    assert!(is_stored(&packing), "{packing}");
    assert!(found != place.expected(Precision::F32));
    assert!(load().0 == found);
}

#[test]
fn damaged_entries_are_written_again() {
    let place = Place::new();
    let expected = place.expected(Precision::Bf16);
    let (_, Packing::Stored(path)) = place.load(Precision::Bf16) else {
        panic!("nothing was stored");
    };
    let whole = fs::read(&path).unwrap();
    let damage: [fn(&mut Vec<u8>); 6] = [
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.push(0),
        |bytes| bytes.clear(),
        |bytes| bytes[0] ^= 1,
        |bytes| bytes[60] ^= 1,
        |bytes| *bytes.last_mut().unwrap() ^= 1,
    ];
    for (index, damage) in damage.into_iter().enumerate() {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        let mut file = writable(&path);
        file.set_len(0).unwrap();
        file.write_all(&bytes).unwrap();
        // Without its own time, whatever the clock says now.
        let now = SystemTime::now() + Duration::from_secs(10);
        file.set_modified(now).unwrap();
        drop(file);
        let (found, packing) = place.load(Precision::Bf16);
        assert!(found == expected, "{index}");
        assert!(is_stored(&packing), "{index}: {packing}");
    }
    assert!(is_found(&place.load(Precision::Bf16).1));
}

#[test]
fn the_least_recently_used_entries_are_removed() {
    let mut place = Place::new();
    let precisions = [Precision::F32, Precision::Bf16, Precision::Int8];
    let [f32s, bf16s, int8s] = precisions.map(|precision| match place.load(precision).1 {
        Packing::Stored(path) => path,
        packing => panic!("{packing}"),
    });
    let bytes = |path| fs::metadata(path).unwrap().len();
    // Room for any two of them.
    place.cache.max_bytes = bytes(&f32s) + bytes(&bf16s) / 2 + bytes(&int8s);
    let used = |path, seconds| {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        let file = File::open(path).unwrap();
        file.set_times(FileTimes::new().set_accessed(time)).unwrap();
    };
    fs::remove_file(&int8s).unwrap();
    used(&f32s, 10);
    used(&bf16s, 20);
    assert!(is_stored(&place.load(Precision::Int8).1));
    assert!(f32s.exists() && !bf16s.exists());
    // Reading marks an entry as used.
    used(&f32s, 20);
    used(&int8s, 10);
    assert!(is_found(&place.load(Precision::F32).1));
    assert!(is_stored(&place.load(Precision::Bf16).1));
    assert!(f32s.exists() && !int8s.exists());

    place.cache.max_bytes = 1000;
    let (_, packing) = place.load(Precision::Int8);
    let expected = "the cache at most 1000";
    assert!(packing.to_string().contains(expected), "{packing}");
}

#[test]
fn small_towers_are_not_stored() {
    let mut place = Place::new();
    place.cache.min_bytes = 1 << 20;
    let (_, packing) = place.load(Precision::F32);
    assert_eq!(packing, Packing::Own("the tower is small".into()));
    assert!(!place.cache.dir.exists());
}

#[test]
fn a_cache_that_cannot_be_written_changes_nothing() {
    let mut place = Place::new();
    place.cache.dir = place.shard().join("packed");
    let (found, packing) = place.load(Precision::F32);
    assert!(found == place.expected(Precision::F32));
    assert!(matches!(packing, Packing::Own(_)), "{packing}");
}

/// What a killed process leaves: a part of a file, and a lock that nobody holds.
#[test]
fn files_of_a_killed_process_are_removed() {
    let place = Place::new();
    place.load(Precision::F32);
    let [entry] = &place.files("packed")[..] else {
        panic!("one entry");
    };
    fs::remove_file(entry).unwrap();
    let [own, other] = [
        entry.with_extension("tmp"),
        place.cache.dir.join("other.tmp"),
    ];
    for path in [&own, &other] {
        fs::write(path, "a part").unwrap();
    }
    assert!(is_stored(&place.load(Precision::F32).1));
    assert!(place.files("tmp").is_empty());
}

#[test]
fn a_file_that_is_being_written_stays() {
    let place = Place::new();
    fs::create_dir_all(&place.cache.dir).unwrap();
    let lock = File::create(place.cache.dir.join("other.lock")).unwrap();
    lock.lock().unwrap();
    fs::write(place.cache.dir.join("other.tmp"), "a part").unwrap();
    assert!(is_stored(&place.load(Precision::F32).1));
    assert_eq!(place.files("tmp").len(), 1);
}

#[test]
fn threads_that_start_together_store_once() {
    let place = Place::new();
    let expected = place.expected(Precision::Int8);
    let results: Vec<_> = thread::scope(|scope| {
        let load = || place.load(Precision::Int8);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(results.iter().all(|(found, _)| *found == expected));
    let stored = results.iter().filter(|(_, packing)| is_stored(packing));
    assert_eq!(stored.count(), 1);
    assert!(
        results
            .iter()
            .all(|(_, packing)| !matches!(packing, Packing::Own(_)))
    );
}

/// Processes go on with the file that they have mapped.
#[test]
fn a_removed_entry_stays_mapped() {
    let place = Place::new();
    let checkpoint = Checkpoint::open(place.checkpoint()).unwrap();
    let loaded = checkpoint.load_packed(&config(), &Device::flex(), Precision::F32, &place.cache);
    let (model, packing) = loaded.unwrap();
    assert!(is_stored(&packing), "{packing}");
    if cfg!(unix) {
        fs::remove_dir_all(&place.cache.dir).unwrap();
    }
    assert!(outputs(&model) == place.expected(Precision::F32));
}
