//! What a picture passes through on its way to patch rows: `cargo bench -p glm4v-preprocess`.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use glm4v_config::Preset;
use glm4v_preprocess::{
    ImageProcessor, Media, MediaInfo, MediaOptions, OpenOptions, Patches, Unread, decode, open,
};
use image::imageops::FilterType;

const PHOTO: &str = "../../tests/images/coffee-336.jpg";

fn stages(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PHOTO);
    let processor = ImageProcessor::new(Preset::Glm41V9B.image_processor());
    let bytes = std::fs::read(&path).unwrap();
    let options = OpenOptions::default();
    criterion.bench_function("decode a JPEG of 336x336", |bencher| {
        bencher.iter(|| decode(black_box(&bytes), &options).unwrap());
    });

    let photo = open(&path, &options).unwrap();
    // The first is of whole blocks of patches, and so is not resized.
    for (name, width, height) in [
        ("patchify 1008x756", 1008, 756),
        ("resize to 1008x756 and patchify", 1018, 763),
    ] {
        let picture = [photo.resize_exact(width, height, FilterType::Triangle)];
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| processor.images(black_box(&picture)).unwrap());
        });
    }

    let MediaInfo::Still(source) = Media::probe(&path, &MediaOptions::default()).unwrap() else {
        panic!("{} is a clip", path.display());
    };
    let batch = [Unread::Still(&processor, &source); 8];
    criterion.bench_function("8 JPEGs of 336x336 to patch rows", |bencher| {
        bencher.iter(|| Patches::read(black_box(&batch)).unwrap());
    });
}

criterion_group!(benches, stages);
criterion_main!(benches);
