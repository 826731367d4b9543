//! The stages from an image file to patch rows: `cargo bench -p glm4v-preprocess`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use glm4v_config::Preset;
use glm4v_preprocess::{DecodeOptions, Processor, ReadOptions, Source, decode_image, open_image};
use image::imageops::FilterType;

const PHOTO: &str = "../../tests/images/coffee-336.jpg";

fn stages(criterion: &mut Criterion) {
    let path = std::path::absolute(PHOTO).unwrap();
    let processor = Processor::from_preset(Preset::Glm41V9B);
    let bytes = std::fs::read(&path).unwrap();
    let options = DecodeOptions::default();
    criterion.bench_function("decode a JPEG of 336x336", |bencher| {
        bencher.iter(|| decode_image(black_box(&bytes), &options).unwrap());
    });

    let photo = open_image(&path, &options).unwrap();
    // The first size has whole blocks of patches, so it is not resized.
    for (name, width, height) in [
        ("patchify 1008x756", 1008, 756),
        ("resize to 1008x756 and patchify", 1018, 763),
    ] {
        let image = [photo.resize_exact(width, height, FilterType::Triangle)];
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| processor.preprocess_images(black_box(&image)).unwrap());
        });
    }

    let batch = [(); 8].map(|()| {
        let source = Source::open(&path, &ReadOptions::default()).unwrap();
        processor.probe(source).unwrap()
    });
    criterion.bench_function("8 JPEGs of 336x336 to patch rows", |bencher| {
        bencher.iter(|| processor.read_batch(black_box(&batch)));
    });
}

criterion_group!(benches, stages);
criterion_main!(benches);
