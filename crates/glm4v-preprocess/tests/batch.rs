//! Files that are read straight into a batch give the rows that they give one by one.

use std::fs;
use std::path::{Path, PathBuf};

use glm4v_config::{ImageProcessorConfig, PatchKind, Preset, SizeLimits, VideoProcessorConfig};
use glm4v_preprocess::{Patches, PreprocessError, Probed, Processor, ReadOptions, Source};

fn images() -> PathBuf {
    std::path::absolute("../../tests/images").unwrap()
}

/// So small that every image is resized.
fn config() -> ImageProcessorConfig {
    ImageProcessorConfig {
        size: SizeLimits {
            shortest_edge: 28 * 28 * 5,
            longest_edge: 28 * 28 * 40,
        },
        ..Preset::Glm41V9B.image_processor()
    }
}

fn processor() -> Processor {
    let video = VideoProcessorConfig {
        frames: config(),
        ..VideoProcessorConfig::default()
    };
    Processor::new(config(), video).unwrap()
}

fn image_files(options: &ReadOptions) -> Vec<PathBuf> {
    let entries = fs::read_dir(images()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_image = |path: &PathBuf| matches!(Source::open(path, options), Ok(Source::Image(_)));
    let mut files: Vec<PathBuf> = paths.filter(is_image).collect();
    files.sort();
    files
}

fn probe(processor: &Processor, path: &Path) -> Probed {
    let source = Source::open(path, &ReadOptions::default()).unwrap();
    processor.probe(source).unwrap()
}

/// A batch in which every input can be read.
fn read(processor: &Processor, inputs: &[Probed]) -> Patches {
    let (patches, errors) = processor.read_batch(inputs);
    assert!(errors.iter().all(Option::is_none), "{errors:?}");
    patches
}

#[test]
fn a_file_gives_the_rows_of_its_decoded_image() {
    let mut options = ReadOptions {
        first_frame_only: true,
        ..ReadOptions::default()
    };
    let configs = [config(), Preset::Glm41V9B.image_processor()];
    let processors = configs.map(|config| Processor::image_only(config).unwrap());
    let files = image_files(&options);
    assert!(files.len() > 40);
    for apply_exif in [true, false] {
        options.decode.apply_exif = apply_exif;
        for (path, processor) in files.iter().flat_map(|path| {
            let each = processors.iter();
            each.map(move |processor| (path, processor))
        }) {
            let source = Source::open(path, &options).unwrap();
            let (height, width) = source.size();
            let Ok(grid) = processor.grid(height, width) else {
                assert!(processor.probe(source).is_err(), "{}", path.display());
                continue;
            };
            let input = processor.probe(source).unwrap();
            let found = read(processor, std::slice::from_ref(&input));
            let Source::Image(image) = &input.source else {
                panic!("{} is a video", path.display());
            };
            let decoded = image.decode().unwrap().into_owned();
            let expected = processor.preprocess_images(&[decoded]).unwrap();
            assert_eq!(found.grids(), [grid], "{}", path.display());
            assert!(found == expected, "{}", path.display());
        }
    }
}

#[test]
fn images_and_videos_are_packed_in_their_order() {
    let processor = processor();
    let names = [
        "chelsea.png",
        "animated.gif",
        "coffee-336.jpg",
        "animated.gif",
    ];
    let inputs = names.map(|name| probe(&processor, &images().join(name)));
    let one_by_one = inputs
        .iter()
        .map(|input| read(&processor, std::slice::from_ref(input)));
    let expected = Patches::concat(&one_by_one.collect::<Vec<_>>()).unwrap();
    let batch = read(&processor, &inputs);
    assert!(batch == expected);
    let kinds = batch.rows(0..batch.num_patches()).into_iter();
    let kinds: Vec<PatchKind> = kinds.map(|(kind, _)| kind).collect();
    let (image, video) = (PatchKind::Image, PatchKind::Video);
    assert_eq!(kinds, [image, video, image, video]);

    let other = Processor::image_only(ImageProcessorConfig {
        patch_size: 16,
        ..config()
    });
    let other = other.unwrap();
    let wide = read(&other, &[probe(&other, &images().join(names[0]))]);
    let error = Patches::concat(&[batch, wide]).unwrap_err().to_string();
    assert!(error.ends_with("[any, 1176], found [48, 1536]"), "{error}");
}

#[test]
fn inputs_in_memory_are_read_like_preprocessed_ones() {
    let processor = processor();
    let bytes = fs::read(images().join("coffee-336.jpg")).unwrap();
    let options = ReadOptions::default();
    let file = Source::from_bytes("coffee.jpg", bytes, &options).unwrap();
    let gif = fs::read(images().join("animated.gif")).unwrap();
    let animation = Source::from_bytes("", gif, &options).unwrap();
    let Source::Video(video) = &animation else {
        panic!("an image");
    };
    let metadata = video.metadata().clone();
    let indices: Vec<usize> = (0..metadata.num_frames).collect();
    let frames: Vec<_> = video
        .frames(&indices)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    // Half transparent: over white in memory.
    let rgba = image::RgbaImage::from_fn(90, 62, |x, y| {
        image::Rgba([x as u8, y as u8, 7, (x + y) as u8])
    });
    let rgba = image::DynamicImage::ImageRgba8(rgba);
    let expected = [
        read(
            &processor,
            &[probe(&processor, &images().join("coffee-336.jpg"))],
        ),
        read(
            &processor,
            &[probe(&processor, &images().join("animated.gif"))],
        ),
        processor
            .preprocess_frames(frames.clone(), &metadata)
            .unwrap()
            .0,
        processor
            .preprocess_images(std::slice::from_ref(&rgba))
            .unwrap(),
    ];
    let sources = [
        file,
        animation,
        Source::from_frames(frames, metadata).unwrap(),
        Source::from_image(rgba),
    ];
    let inputs = sources.map(|source| processor.probe(source).unwrap());
    for input in &inputs {
        assert!(input.decode_bytes > input.source.stored_bytes());
        assert!(input.source.stored_bytes() > 0);
    }
    let batch = read(&processor, &inputs);
    assert!(batch == Patches::concat(&expected).unwrap());
}

/// Writes the beginning of a file of the test images.
fn cut(folder: &Path, name: &str, keep: f64) -> PathBuf {
    let bytes = fs::read(images().join(name)).unwrap();
    let path = folder.join(format!("{keep}-{name}"));
    fs::write(&path, &bytes[..(bytes.len() as f64 * keep) as usize]).unwrap();
    path
}

#[test]
fn inputs_that_fail_do_not_disturb_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (jpeg, png) = (
        cut(folder.path(), "coffee-336.jpg", 0.5),
        cut(folder.path(), "chelsea.png", 0.5),
    );
    let whole = ["chelsea.png", "animated.gif", "coffee-336.jpg", "plain.gif"];
    let whole = whole.map(|name| images().join(name));
    let [first, second, third, fourth] = whole.each_ref();
    let paths = [first, &jpeg, second, &png, third, fourth];

    let processor = processor();
    let inputs = paths.map(|path| probe(&processor, path));
    let (patches, errors) = processor.read_batch(&inputs);
    let failed: Vec<bool> = errors.iter().map(Option::is_some).collect();
    assert_eq!(failed, [false, true, false, true, false, false]);
    for (index, name, format) in [(1, "coffee-336.jpg", "JPEG"), (3, "chelsea.png", "PNG")] {
        let error = errors[index].as_ref().unwrap();
        assert!(matches!(error, PreprocessError::File { .. }), "{error}");
        let expected = format!("{name}: the {format} image is damaged");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    let others = whole.each_ref().map(|path| probe(&processor, path));
    assert!(patches == read(&processor, &others));
    let spans = patches.spans();
    assert_eq!(spans[1].kind, PatchKind::Video);
    assert_eq!(spans[1].rows().start, spans[0].rows().end);
    assert_eq!(spans[3].rows().end, patches.num_patches());

    // A batch in which nothing can be read is empty.
    let broken = [&jpeg, &png].map(|path| probe(&processor, path));
    let (patches, errors) = processor.read_batch(&broken);
    assert_eq!((patches.num_patches(), patches.spans().len()), (0, 0));
    assert_eq!(errors.iter().flatten().count(), 2);
}

#[test]
fn an_input_that_the_configuration_refuses_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narrow.png");
    image::RgbImage::new(1, 300).save(&path).unwrap();
    let source = Source::open(&path, &ReadOptions::default()).unwrap();
    let error = processor().probe(source).unwrap_err().to_string();
    assert!(error.contains("narrow.png: an image of"), "{error}");

    let source = Source::open(images().join("animated.gif"), &ReadOptions::default()).unwrap();
    let image_only = Processor::image_only(config()).unwrap();
    let error = image_only.probe(source).unwrap_err();
    assert!(
        matches!(error, PreprocessError::NoVideoProcessor),
        "{error}"
    );
}

#[test]
fn of_broken_files_each_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let processor = processor();
    let inputs = [1.0, 0.5, 0.33].map(|keep| {
        let path = cut(folder.path(), "coffee-336.jpg", keep);
        probe(&processor, &path)
    });
    let (patches, errors) = processor.read_batch(&inputs);
    assert_eq!(patches.spans().len(), 1);
    let messages: Vec<String> = errors.iter().flatten().map(ToString::to_string).collect();
    assert!(messages[0].contains("0.5-coffee-336.jpg: the JPEG image"));
    assert!(messages[1].contains("0.33-coffee-336.jpg: the JPEG image"));
}
