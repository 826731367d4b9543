//! Files with false headers, cut off files and other files: one clear error each, and no allocation of the claimed size.

use std::fs;

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

/// A little-endian TIFF whose values are numbers of 32 bits, with `data` from byte 8 on.
fn tiff_with(data: &[u8], tags: &[(u16, Vec<u32>)]) -> Vec<u8> {
    let start = 8 + data.len();
    let mut bytes = [b"II*\0", &(start as u32).to_le_bytes()[..], data].concat();
    bytes.extend((tags.len() as u16).to_le_bytes());
    let mut values = Vec::new();
    for (tag, numbers) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend([4, 0]);
        bytes.extend((numbers.len() as u32).to_le_bytes());
        let place = start + 2 + 12 * tags.len() + values.len();
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
        match numbers.clone().count() {
            4 => bytes.extend(numbers),
            _ => {
                bytes.extend((place as u32).to_le_bytes());
                values.extend(numbers);
            }
        }
    }
    bytes.extend(values);
    bytes
}

/// Without the limits, a file of a few kilobytes could take hours.
#[test]
fn strips_and_tiles_of_a_tiff_are_not_decoded_many_times() {
    let one = |tag, value| (tag, vec![value]);
    // Rows of 16 bytes, each the same run, in strips that reach to the end of the file.
    let packed = |rows: u32| {
        let mut file = tiff_with(
            &[0xf1, 7, 0, 0],
            &[
                one(256, 16),
                one(257, rows),
                one(258, 8),
                one(259, 32773),
                one(262, 1),
                (273, vec![8; rows as usize]),
                one(278, 1),
                (279, vec![u32::MAX; rows as usize]),
            ],
        );
        file.push(0);
        file
    };
    decode_image(&packed(60), &DecodeOptions::default()).unwrap();
    let message = refusal(&packed(70)).to_string();
    assert!(message.contains("share their bytes"), "{message}");

    // Old JPEG, whose strips make one file.
    let old_jpeg = tiff_with(
        &[],
        &[
            one(256, 16),
            one(257, 8 * 90),
            one(258, 8),
            one(259, 6),
            (273, vec![8; 90]),
            one(278, 8),
        ],
    );
    let message = refusal(&old_jpeg).to_string();
    assert!(message.contains("share their bytes"), "{message}");

    // 400 tiles of a million pixels for an image of one column.
    let (count, side) = (400, 1000);
    let tiles = tiff_with(
        &[],
        &[
            one(256, 1),
            one(257, count * side),
            one(258, 8),
            one(262, 1),
            one(322, side),
            one(323, side),
            (324, vec![0; count as usize]),
        ],
    );
    let error = refusal(&tiles);
    let limit = 2 * DecodeLimits::default().max_decoded_pixels;
    assert!(
        matches!(&error, PreprocessError::TooLarge { limit: found, .. } if *found == limit),
        "{error}"
    );

    // Each strip of one row is the same JPEG of many rows.
    let jpeg = image("jpeg-gray.jpg");
    let size = decode_image(&jpeg, &DecodeOptions::default()).unwrap();
    let strips = |rows_per_strip: u32| {
        let count = size.height().div_ceil(rows_per_strip) as usize;
        tiff_with(
            &jpeg,
            &[
                one(256, size.width()),
                one(257, size.height()),
                one(258, 8),
                one(259, 7),
                one(262, 1),
                (273, vec![8; count]),
                one(278, rows_per_strip),
                (279, vec![jpeg.len() as u32; count]),
            ],
        )
    };
    if cfg!(feature = "libjpeg") {
        decode_image(&strips(size.height()), &DecodeOptions::default()).unwrap();
    }
    let message = refusal(&strips(2)).to_string();
    assert!(message.contains("unlike the image"), "{message}");
}

/// The frame's own pixels claim 16000 × 16000. A decoder would allocate a gigabyte for them.
#[test]
fn a_webp_frame_has_the_size_of_its_header() {
    let chunk = |name: &[u8; 4], data: &[u8]| {
        let length = (data.len() as u32).to_le_bytes();
        [name.as_slice(), &length, data].concat()
    };
    let sides = (15_999_u32 | 15_999 << 14).to_le_bytes();
    let pixels = chunk(b"VP8L", &[&[0x2f][..], &sides, &[0; 7]].concat());
    let area = [0, 0, 0, 0, 0, 0, 3, 0, 0, 3, 0, 0, 50, 0, 0, 0];
    let frame = chunk(b"ANMF", &[&area[..], &pixels].concat());
    let loops = chunk(b"ANIM", &[0; 6]);
    let canvas = [3, 0, 0, 3, 0, 0];
    let file = |flags: u8, chunks: &[u8]| {
        let header = chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &canvas].concat());
        let content = [b"WEBP", &header[..], chunks].concat();
        chunk(b"RIFF", &content)
    };
    for bytes in [file(2, &[&loops[..], &frame].concat()), file(0, &pixels)] {
        let message = refusal(&bytes).to_string();
        assert!(message.contains("not have the size in"), "{message}");
    }
    let video = file(2, &[&loops[..], &frame, &frame].concat());
    let source = Source::from_bytes("", video, &ReadOptions::default()).unwrap();
    let Source::Video(video) = source else {
        panic!("an animation")
    };
    let message = video.frames(&[0]).unwrap().next().unwrap().unwrap_err();
    assert!(
        message.to_string().contains("not have the size in"),
        "{message}"
    );
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
