//! The orientation in the EXIF and XMP metadata of JPEG, PNG and WebP files.
#![no_main]

use glm4v_fuzz::{contained, options, png_chunk, zlib};
use glm4v_preprocess::{ReadOptions, Source};
use libfuzzer_sys::fuzz_target;

const JPEG: &[u8] = include_bytes!("../../tests/images/jpeg-gray.jpg");
const WEBP: &[u8] = include_bytes!("../../tests/images/exif-6.webp");

fuzz_target!(|data: &[u8]| contained(|| check(data)));

fn check(data: &[u8]) {
    let Some((&kind, metadata)) = data.split_first() else {
        return;
    };
    for file in [
        jpeg(metadata, kind),
        png(metadata, kind),
        webp(metadata, kind),
    ] {
        check_file(&file);
    }
}

/// Metadata may turn an image, and changes nothing else.
fn check_file(file: &[u8]) {
    let with = options();
    let mut without: ReadOptions = with.clone();
    without.decode.apply_exif = false;
    let size = |options: &ReadOptions| match Source::from_bytes("fuzz", file.to_vec(), options) {
        Ok(Source::Image(image)) => image.decode().is_ok().then(|| image.size()),
        Ok(Source::Video(_)) | Err(_) => None,
    };
    let (turned, plain) = (size(&with), size(&without));
    if let (Some((height, width)), Some(plain)) = (turned, plain) {
        assert!(plain == (height, width) || plain == (width, height));
    }
}

fn jpeg(metadata: &[u8], kind: u8) -> Vec<u8> {
    let name: &[u8] = match kind % 2 {
        0 => b"Exif\0\0",
        _ => b"http://ns.adobe.com/xap/1.0/\0",
    };
    let content = [name, metadata].concat();
    let content = &content[..content.len().min(65_000)];
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&JPEG[..2], b"\xff\xe1", &length, content, &JPEG[2..]].concat()
}

fn png(metadata: &[u8], kind: u8) -> Vec<u8> {
    let header = [&[0, 0, 0, 3, 0, 0, 0, 2][..], &[8, 0, 0, 0, 0]].concat();
    let chunk = match kind % 3 {
        0 => png_chunk(*b"eXIf", metadata),
        1 => png_chunk(
            *b"iTXt",
            &[b"XML:com.adobe.xmp\0\0\0\0\0", metadata].concat(),
        ),
        _ => png_chunk(*b"tEXt", &[b"Raw profile type exif\0", metadata].concat()),
    };
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        png_chunk(*b"IHDR", &header),
        chunk,
        png_chunk(*b"IDAT", &zlib(&[0; 8])),
        png_chunk(*b"IEND", &[]),
    ]
    .concat()
}

/// The test image, with another chunk of metadata behind it.
fn webp(metadata: &[u8], kind: u8) -> Vec<u8> {
    let name: &[u8] = match kind % 2 {
        0 => b"EXIF",
        _ => b"XMP ",
    };
    let old = WEBP.windows(4).position(|window| window == b"EXIF");
    let image = &WEBP[..old.unwrap_or(WEBP.len())];
    let length = (metadata.len() as u32).to_le_bytes();
    let padding = &[0][..metadata.len() % 2];
    let mut file = [image, name, &length, metadata, padding].concat();
    let size = (file.len() as u32 - 8).to_le_bytes();
    file[4..8].copy_from_slice(&size);
    file
}
