//! Files with false headers, cut off files and other files: one clear error each, and no allocation of the claimed size.

use std::fs;
use std::path::Path;

use glm4v_preprocess::{
    DecodeLimits, DecodeOptions, PreprocessError, ReadOptions, Source, decode_image, open_image,
};

fn image(name: &str) -> Vec<u8> {
    fs::read(
        std::path::absolute("../../tests/images")
            .unwrap()
            .join(name),
    )
    .unwrap()
}

fn refusal(bytes: &[u8]) -> PreprocessError {
    decode_image(bytes, &DecodeOptions::default()).unwrap_err()
}

/// `bytes` with `patch` written at `offset`.
fn patched(mut bytes: Vec<u8>, offset: usize, patch: &[u8]) -> Vec<u8> {
    bytes[offset..offset + patch.len()].copy_from_slice(patch);
    bytes
}

fn position(bytes: &[u8], marker: &[u8]) -> usize {
    bytes
        .windows(marker.len())
        .position(|window| window == marker)
        .unwrap()
}

#[test]
fn a_file_that_is_cut_off_is_refused_wherever_it_is_cut() {
    for name in [
        "gray.png",
        "palette.png",
        "jpeg-420.jpg",
        "jpeg-progressive-420.jpg",
        "jpeg-cmyk.jpg",
        "plain.gif",
        "rgb.bmp",
        "lzw.tiff",
        "lossless.webp",
        "lossy.webp",
        "exif-6.webp",
    ] {
        let whole = image(name);
        decode_image(&whole, &DecodeOptions::default()).unwrap();
        for length in (0..whole.len() - 24).step_by(97).chain([whole.len() - 24]) {
            let cut = decode_image(&whole[..length], &DecodeOptions::default());
            // Without libjpeg, the decoder invents the missing part of a JPEG.
            let invented = cfg!(not(feature = "libjpeg")) && name.ends_with(".jpg");
            assert!(
                cut.is_err() || invented,
                "{name}: {length} of {}",
                whole.len()
            );
        }
    }
}

#[test]
fn claimed_sizes_are_refused_by_the_header() {
    let side = 100_000_u32;
    let sides = |bytes: fn(u32) -> [u8; 4]| [bytes(side), bytes(side)].concat();
    let checksum_fixed = |png: Vec<u8>| {
        let checksum = crc32fast::hash(&png[12..29]).to_be_bytes();
        patched(png, 29, &checksum)
    };
    let jpeg = image("jpeg-420.jpg");
    let frame_header = position(&jpeg, &[0xff, 0xc0]);
    for bytes in [
        checksum_fixed(patched(image("gray.png"), 16, &sides(u32::to_be_bytes))),
        patched(jpeg, frame_header + 5, &[0xea; 4]),
        patched(image("plain.gif"), 6, &[0xff; 4]),
        patched(image("rgb.bmp"), 18, &[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]),
    ] {
        let error = refusal(&bytes);
        assert!(
            matches!(error, PreprocessError::TooLarge { .. }),
            "{error:?}"
        );
        assert!(
            error
                .to_string()
                .ends_with("exceeds the limit of 178956970 pixels"),
            "{error}"
        );
    }
}

/// A little-endian TIFF of one directory without data, whose values are numbers of 32 bits.
fn tiff(tags: &[(u16, u32)]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend([4, 0, 1, 0, 0, 0]);
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

#[test]
fn claims_of_a_tiff_are_refused_by_its_tags() {
    let side = 100_000;
    let large = tiff(&[(256, side), (257, side), (273, 8)]);
    let tiles = [(256, 9), (257, 9), (322, side), (323, side), (324, 8)];
    for bytes in [large, tiff(&tiles)] {
        let error = refusal(&bytes);
        assert!(
            matches!(error, PreprocessError::TooLarge { .. }),
            "{error:?}"
        );
    }
    for (tags, expected) in [
        (&[(256, 9), (257, 0), (273, 8)][..], "at least 1 pixel"),
        (&[(256, 9), (257, 9)], "fewer strips or tiles"),
        (&[(256, 9), (257, 9), (273, 999)], "behind the end"),
        (&[(256, 900), (257, 9), (273, 8)], "damaged or too short"),
        (&[(256, 9), (257, 9), (273, 8), (259, 34925)], "LZMA"),
        (&[(256, 9), (257, 9), (273, 8), (277, 99)], "99 samples"),
        (&[(257, 9)], "no usable width"),
    ] {
        let message = refusal(&tiff(tags)).to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn formats_that_are_not_read_are_named_with_what_to_do() {
    for (bytes, format) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic...."[..], "HEIC"),
        (b"\0\0\0\x0cJXL \r\n\x87\n....", "JPEG XL"),
        (b"\xff\x0a....", "JPEG XL"),
    ] {
        let expected = format!(
            "{format} images are not supported: convert the file to PNG or JPEG first, for example with: magick \
             FILE FILE.png"
        );
        assert_eq!(refusal(bytes).to_string(), expected);
        let opened = Source::from_bytes("photo", bytes.to_vec(), &ReadOptions::default());
        assert_eq!(
            opened.unwrap_err().to_string(),
            format!("photo: {expected}")
        );
    }
}

#[test]
fn limits_are_the_callers() {
    let bytes = image("gray.png");
    let with = |max_decoded_pixels, max_decoded_bytes, max_file_bytes| DecodeOptions {
        limits: DecodeLimits {
            max_decoded_pixels,
            max_decoded_bytes,
            max_file_bytes,
        },
        ..DecodeOptions::default()
    };
    let file = bytes.len() as u64;
    decode_image(&bytes, &with(90 * 62, 1 << 20, file)).unwrap();
    let message = |options| decode_image(&bytes, &options).unwrap_err().to_string();
    assert_eq!(
        message(with(90 * 62 - 1, 1 << 20, file)),
        "an image of 90×62 pixels exceeds the limit of 5579 pixels"
    );
    assert_eq!(
        message(with(1 << 20, 90 * 62 - 1, file)),
        "an image of 90×62 pixels exceeds the limit of 5579 decoded bytes"
    );
    assert_eq!(
        message(with(1 << 20, 1 << 20, 100)),
        "the file exceeds the limit of 100 bytes"
    );
}

#[test]
fn a_file_of_another_kind_is_named_with_its_first_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.png");
    let message = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        open_image(&path, &DecodeOptions::default())
            .unwrap_err()
            .to_string()
    };
    assert!(message(b"hello, world").contains("the file starts with \"hello, w\"; supported"));
    assert!(message(b"").contains("text.png: ") && message(b"").contains("the file is empty"));
    assert!(message(&image("gray.png")[..100]).contains("text.png: the PNG image is damaged"));

    let error =
        open_image(folder.path().join("absent.png"), &DecodeOptions::default()).unwrap_err();
    assert!(matches!(error, PreprocessError::Io { .. }), "{error}");
}

#[test]
fn the_format_is_that_of_the_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.png");
    fs::write(&path, image("jpeg-gray.jpg")).unwrap();
    assert_eq!(
        open_image(&path, &DecodeOptions::default())
            .unwrap()
            .width(),
        75
    );
}

#[test]
fn the_orientation_can_be_left_alone() {
    let size = |apply_exif| {
        let options = DecodeOptions {
            apply_exif,
            ..DecodeOptions::default()
        };
        let image = decode_image(&image("exif-6.jpg"), &options).unwrap();
        (image.width(), image.height())
    };
    assert_eq!((size(true), size(false)), ((38, 64), (64, 38)));
}

#[cfg(feature = "libjpeg")]
#[test]
fn damage_inside_a_jpeg_neither_panics_nor_prints() {
    let whole = image("jpeg-progressive-420.jpg");
    for offset in 0..whole.len() {
        let damaged = patched(whole.clone(), offset, &[whole[offset] ^ 0xff]);
        let _ = decode_image(&damaged, &DecodeOptions::default());
    }
}
