//! What a header tells is what decoding gives.

use std::path::Path;

use glm4v_preprocess::{Media, MediaInfo, MediaOptions};

#[test]
fn the_size_is_known_before_the_pixels() {
    let mut options = MediaOptions {
        stills: true,
        ..MediaOptions::default()
    };
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/images");
    let mut pictures = 0;
    for entry in std::fs::read_dir(images).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") {
            continue;
        }
        for turned in [true, false] {
            options.open.exif_orientation = turned;
            let Media::Still(picture) = Media::open(&path, &options).unwrap() else {
                panic!("{} is a clip", path.display());
            };
            let expected = (picture.height() as usize, picture.width() as usize);
            let found = match Media::probe(&path, &options).unwrap() {
                MediaInfo::Still(still) => still.size(),
                MediaInfo::Clip(_) => panic!("{} is a clip", path.display()),
            };
            assert_eq!(found, expected, "{}", path.display());
        }
        pictures += 1;
    }
    assert!(pictures > 40);
}

#[test]
fn an_animation_is_a_clip_and_what_is_too_large_is_refused() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/images/animated.gif");
    let mut options = MediaOptions::default();
    let info = Media::probe(&path, &options).unwrap();
    assert!(matches!(info, MediaInfo::Clip(clip) if clip.info().num_frames > 1));
    (options.stills, options.open.max_pixels) = (true, 10);
    let error = Media::probe(&path, &options).unwrap_err().to_string();
    assert!(
        error.contains("animated.gif") && error.contains("pixels"),
        "{error}"
    );
}
