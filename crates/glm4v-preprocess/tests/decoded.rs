//! Image files of many kinds against `load_image` of transformers, made by `tests/golden/codec_files.py`.

use std::fs;
use std::path::{Path, PathBuf};

use glm4v_preprocess::{DecodeOptions, MediaKind, ReadOptions, Source, open_image};
use serde_json::Value;

fn tests_folder() -> PathBuf {
    std::path::absolute("../../tests").unwrap()
}

/// The difference between our answer and the reference's, for one file.
fn fault(case: &Value, path: &Path) -> Option<String> {
    let opened = open_image(path, &DecodeOptions::default());
    let is_refused = case.get("error").is_some() || case.get("refused").is_some();
    let image = match opened {
        Ok(_) if is_refused => return Some("not refused".into()),
        Err(_) if is_refused => return None,
        Err(error) => return Some(error.to_string()),
        Ok(image) => image.into_rgb8(),
    };
    if case.get("differs").is_some() {
        return None;
    }
    let size = [image.width(), image.height()];
    if case["size"] != serde_json::json!(size) {
        return Some(format!("size {size:?}, expected {}", case["size"]));
    }
    if case["crc32"] != crc32fast::hash(&image) {
        return Some("other pixels".into());
    }
    // A sequence is opened as a video.
    if MediaKind::detect(&fs::read(path).unwrap()) == Some(MediaKind::Video) {
        return None;
    }
    // The header alone tells the size.
    let options = ReadOptions {
        first_frame_only: true,
        ..ReadOptions::default()
    };
    let probed = Source::open(path, &options).map(|source| source.size());
    let expected = (size[1] as usize, size[0] as usize);
    (probed.as_ref().ok() != Some(&expected)).then(|| format!("the header says {probed:?}"))
}

#[test]
fn every_file_has_the_references_pixels() {
    let folder = tests_folder();
    let text = fs::read_to_string(folder.join("golden/decoded.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let cases = golden["files"].as_array().unwrap();
    assert!(cases.len() > 200);
    // Without libjpeg, the pixels of JPEG differ. Without its feature, AVIF is refused.
    let comparable = |name: &str| {
        let is_jpeg = name.ends_with(".jpg") || name.contains("jpeg");
        (cfg!(feature = "libjpeg") || !is_jpeg)
            && (cfg!(feature = "avif") || !name.ends_with(".avif"))
    };
    let faults: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let name = case["file"].as_str().unwrap();
            let fault =
                comparable(name).then(|| fault(case, &folder.join("codecs").join(name)))??;
            Some(format!("{name}: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn damage_is_an_error_and_no_panic() {
    let folder = tests_folder().join("codecs");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        let options = DecodeOptions::default();
        for cut in (0..whole.len()).step_by(whole.len() / 8 + 1) {
            let _ = glm4v_preprocess::decode_image(&whole[..cut], &options);
        }
        for place in (0..whole.len()).step_by(whole.len() / 60 + 1) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0xff;
            if let Err(error) = glm4v_preprocess::decode_image(&damaged, &options) {
                // A panic that was contained has the message of an assertion or of an index.
                let message = error.to_string();
                for panic in [
                    "index out of",
                    "range end",
                    "range start",
                    "overflow",
                    "assertion",
                    "unwrap",
                ] {
                    assert!(!message.contains(panic), "{}: {message}", path.display());
                }
            }
        }
    }
}
