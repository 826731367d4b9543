//! Files read straight into a batch give what they give one by one, decoded first and resized then.

use std::path::{Path, PathBuf};

use glm4v_config::{ImageProcessorConfig, Preset, SizeLimits, VideoProcessorConfig};
use glm4v_preprocess::{
    ImageProcessor, Media, MediaInfo, MediaOptions, Patches, PreprocessError, Unread,
    VideoProcessor,
};

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/images")
}

/// Small, so that every picture is resized.
fn config() -> ImageProcessorConfig {
    ImageProcessorConfig {
        size: SizeLimits {
            shortest_edge: 28 * 28 * 5,
            longest_edge: 28 * 28 * 40,
        },
        ..Preset::Glm41V9B.image_processor()
    }
}

fn pictures(options: &MediaOptions) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(images()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_picture = |path: &PathBuf| matches!(Media::open(path, options), Ok(Media::Still(_)));
    let mut pictures: Vec<PathBuf> = paths.filter(is_picture).collect();
    pictures.sort();
    pictures
}

fn probe(path: &Path, options: &MediaOptions) -> MediaInfo {
    Media::probe(path, options).unwrap()
}

#[test]
fn every_picture_is_what_it_is_in_two_steps() {
    let mut options = MediaOptions {
        stills: true,
        ..MediaOptions::default()
    };
    let processors = [config(), Preset::Glm41V9B.image_processor()].map(ImageProcessor::new);
    let pictures = pictures(&options);
    assert!(pictures.len() > 40);
    for turned in [true, false] {
        options.open.exif_orientation = turned;
        for (path, processor) in pictures.iter().flat_map(|path| {
            let each = processors.iter();
            each.map(move |processor| (path, processor))
        }) {
            let MediaInfo::Still(source) = probe(path, &options) else {
                panic!("{} is a clip", path.display());
            };
            let (height, width) = source.size();
            let Ok(grid) = processor.grid(height, width) else {
                assert!(processor.read(&source).is_err(), "{}", path.display());
                continue;
            };
            let found = processor.read(&source).unwrap();
            let expected = processor.images(&[source.decode().unwrap()]).unwrap();
            assert_eq!(found.grids(), [grid], "{}", path.display());
            assert!(found == expected, "{}", path.display());
        }
    }
}

#[test]
fn pictures_and_clips_are_packed_in_their_order() {
    let options = MediaOptions::default();
    let names = [
        "chelsea.png",
        "animated.gif",
        "coffee-336.jpg",
        "animated.gif",
    ];
    let sources = names.map(|name| probe(&images().join(name), &options));
    let image = ImageProcessor::new(config());
    let video = VideoProcessor::new(VideoProcessorConfig {
        frames: config(),
        ..VideoProcessorConfig::default()
    });
    let unread: Vec<Unread<'_>> = sources
        .iter()
        .map(|source| match source {
            MediaInfo::Still(source) => Unread::Still(&image, source),
            MediaInfo::Clip(source) => Unread::Clip(&video, source),
        })
        .collect();
    let one_by_one = unread.iter().map(|item| match item {
        Unread::Still(processor, source) => processor.read(source).unwrap(),
        Unread::Clip(processor, source) => processor.read(source).unwrap().patches,
    });
    let expected = Patches::concat(&one_by_one.collect::<Vec<_>>()).unwrap();
    let batch = Patches::read(&unread).unwrap();
    assert!(batch == expected);
    assert_eq!(batch.parts(0..batch.num_patches()).len(), 4);

    let other = ImageProcessor::new(ImageProcessorConfig {
        patch_size: 16,
        ..config()
    });
    let MediaInfo::Still(still) = &sources[0] else {
        panic!("a still");
    };
    let mixed = [unread[2], Unread::Still(&other, still)];
    let error = Patches::read(&mixed).unwrap_err().to_string();
    assert!(error.ends_with("[any, 1176], found [any, 1536]"), "{error}");
}

#[test]
fn of_broken_files_the_first_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(images().join("coffee-336.jpg")).unwrap();
    let processor = ImageProcessor::new(config());
    let sources = [1, 2, 3].map(|part| {
        let path = folder.path().join(format!("{part}.jpg"));
        let end = [whole.len(), whole.len() / 2, whole.len() / 3][part - 1];
        std::fs::write(&path, &whole[..end]).unwrap();
        match probe(&path, &MediaOptions::default()) {
            MediaInfo::Still(source) => source,
            MediaInfo::Clip(_) => panic!("a clip"),
        }
    });
    let unread = sources
        .each_ref()
        .map(|source| Unread::Still(&processor, source));
    let error = Patches::read(&unread).unwrap_err();
    assert!(matches!(error, PreprocessError::File { .. }), "{error}");
    assert!(
        error.to_string().contains("2.jpg: expected a whole JPEG"),
        "{error}"
    );
}
