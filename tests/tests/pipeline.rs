//! The pipeline: the same embeddings as one packed batch, errors at their input, cancellation.

use std::path::PathBuf;

use glm4v::image::DynamicImage;
use glm4v::pipeline::{Batches, Inputs};
use glm4v::plan::BatchLimits;
use glm4v::preprocess::{ReadOptions, Source};
use glm4v::{CancelToken, Error, InputSource, Item, VisionEncoder, open_image};
use glm4v_tests::{image_path, no_video_decoder, tiny_encoder, video_path};

const NAMES: [&str; 6] = [
    "rgb-90x62.png",
    "animated.gif",
    "jpeg-420.jpg",
    "rgb-20x47.png",
    "exif-6.jpg",
    "rgba.png",
];

fn paths() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = NAMES.iter().map(image_path).collect();
    let video = video_path("b-frames.mp4");
    if no_video_decoder(&video).is_none() {
        paths.push(video);
    }
    paths
}

/// Batches of about two of the images.
fn small_batches(encoder: &VisionEncoder, prefetch: bool) -> BatchLimits {
    BatchLimits {
        max_batch_patches: 100,
        prefetch,
        ..encoder.limits()
    }
}

/// The inputs as one batch, encoded by one call.
fn packed(encoder: &VisionEncoder, paths: &[PathBuf]) -> Vec<Vec<f32>> {
    let open = |path| Source::open(path, &ReadOptions::default()).unwrap();
    let probed = paths
        .iter()
        .map(|path| encoder.processor().probe(open(path)));
    let probed: Vec<_> = probed.collect::<Result<_, _>>().unwrap();
    let (patches, errors) = encoder.processor().read_batch(&probed);
    assert!(errors.iter().all(Option::is_none), "{errors:?}");
    let embeddings = encoder.encode(&patches).unwrap();
    let items = embeddings.items().map(|item| item.into_values().unwrap());
    items.collect()
}

fn values(item: Item) -> Vec<f32> {
    item.embeddings.into_values().unwrap()
}

/// A frame has the same bits in any batch, whatever the limits are.
#[test]
fn the_pipeline_has_the_bits_of_a_packed_batch() {
    let encoder = tiny_encoder("flex").unwrap();
    let paths = paths();
    let expected = packed(&encoder, &paths);
    for prefetch in [false, true] {
        let limits = small_batches(&encoder, prefetch);
        let inputs = encoder.inputs(paths.clone()).with_limits(limits);
        let items: Vec<Item> = encoder
            .encode_inputs(inputs, None)
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(items.len(), paths.len());
        for (index, (item, expected)) in items.into_iter().zip(&expected).enumerate() {
            assert_eq!(item.input.index, index);
            assert_eq!(item.input.name, paths[index].display().to_string());
            assert_eq!(item.input.tokens, item.embeddings.num_tokens());
            assert!(&values(item) == expected, "{}", paths[index].display());
        }
    }
}

#[test]
fn sources_of_every_kind_give_the_same() {
    let encoder = tiny_encoder("flex").unwrap();
    let path = image_path("rgb-90x62.png");
    let bytes = std::fs::read(&path).unwrap();
    let image = open_image(&path, &Default::default()).unwrap();
    let sources = [
        InputSource::from(path),
        InputSource::Bytes {
            name: "upload".into(),
            bytes,
        },
        InputSource::from(image),
    ];
    let items: Vec<Item> = encoder
        .encode_sources(sources)
        .collect::<Result<_, _>>()
        .unwrap();
    let [file, bytes, image] = <[Item; 3]>::try_from(items).unwrap();
    assert_eq!(bytes.input.name, "upload");
    let file = values(file);
    assert!(values(bytes) == file && values(image) == file);
}

/// Damaged and missing inputs among others. Each has its error at its place, and changes no other input.
#[test]
fn an_error_belongs_to_its_input() {
    let encoder = tiny_encoder("flex").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let damaged = dir.path().join("damaged.png");
    let bytes = std::fs::read(image_path("rgb-90x62.png")).unwrap();
    std::fs::write(&damaged, &bytes[..bytes.len() / 2]).unwrap();
    let text = dir.path().join("text.png");
    std::fs::write(&text, "no image").unwrap();
    let good = [image_path("rgb-90x62.png"), image_path("rgb-20x47.png")];
    let paths = [
        dir.path().join("missing.png"),
        good[0].clone(),
        damaged,
        text,
        good[1].clone(),
    ];
    let expected = packed(&encoder, &good);
    for prefetch in [false, true] {
        let inputs = encoder
            .inputs(paths.clone())
            .with_limits(small_batches(&encoder, prefetch));
        let results: Vec<_> = encoder.encode_inputs(inputs, None).collect();
        assert_eq!(results.len(), paths.len());
        for (index, result) in results.into_iter().enumerate() {
            match (index, result) {
                (1, Ok(item)) => assert!(values(item) == expected[0]),
                (4, Ok(item)) => assert!(values(item) == expected[1]),
                (_, Ok(item)) => panic!("{} is encoded", item.input.name),
                (_, Err(error)) => {
                    assert_eq!(error.index, index);
                    let name = paths[index].display().to_string();
                    assert_eq!(error.to_string().matches(&name).count(), 1, "{error}");
                }
            }
        }
    }
}

#[test]
fn inputs_that_all_fail_have_errors_only() {
    let encoder = tiny_encoder("flex").unwrap();
    let results: Vec<_> = encoder.encode_paths(["a.png", "b.png"]).collect();
    let errors = results.iter().filter_map(|result| result.as_ref().err());
    let indices: Vec<usize> = errors.map(|error| error.index).collect();
    assert_eq!(indices, [0, 1]);
    assert!(encoder.encode_paths([""; 0]).next().is_none());
}

/// The inputs of the cancelled batch have the error, and no batch follows.
#[test]
fn a_cancelled_pipeline_ends() {
    let encoder = tiny_encoder("flex").unwrap();
    let image = || DynamicImage::new_rgb8(56, 84);
    let limits = BatchLimits {
        max_batch_patches: 1,
        ..encoder.limits()
    };
    let inputs = || {
        let sources = std::iter::repeat_with(image);
        encoder.inputs(sources).with_limits(limits)
    };
    let cancel = CancelToken::new();
    let mut items = encoder.encode_inputs(inputs(), Some(cancel.clone()));
    assert!(items.next().unwrap().is_ok());
    cancel.cancel();
    assert!(items.next().is_none());

    let patches = encoder.processor().preprocess_images(&[image()]).unwrap();
    let options = glm4v::EncodeOptions {
        cancel: Some(cancel),
        ..Default::default()
    };
    let error = encoder.encode_with(&patches, &options).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
}

/// A thread that reads ahead ends when the batches are dropped, though the sources never end.
#[test]
fn endless_sources_are_read_a_few_at_a_time() {
    let encoder = tiny_encoder("flex").unwrap();
    for prefetch in [false, true] {
        let sources = std::iter::repeat_with(|| DynamicImage::new_rgb8(56, 84));
        let inputs: Inputs = encoder
            .inputs(sources)
            .with_limits(small_batches(&encoder, prefetch));
        for batch in Batches::new(inputs).take(3) {
            assert!(batch.inputs.len() <= 4);
        }
    }
}
