//! PNG files of valid chunks in any order, with their checksums.
#![no_main]

use glm4v_fuzz::{bytes, check_image, contained, png_chunk, zlib};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

const NAMES: [&[u8; 4]; 16] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf", b"iTXt", b"tEXt", b"zTXt", b"acTL",
    b"fcTL", b"fdAT", b"gAMA", b"iCCP", b"pHYs", b"bKGD",
];
const DEPTHS: [u8; 6] = [1, 2, 4, 8, 16, 3];
const COLORS: [u8; 6] = [0, 2, 3, 4, 6, 1];

fuzz_target!(|data: &[u8]| contained(|| check(data)));

fn check(data: &[u8]) {
    if let Ok(file) = file(&mut Unstructured::new(data)) {
        check_image(&file);
    }
}

fn file(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let (width, height) = (
        input.int_in_range(0..=70_u32)?,
        input.int_in_range(0..=70_u32)?,
    );
    let (depth, color) = (*input.choose(&DEPTHS)?, *input.choose(&COLORS)?);
    let interlaced = input.int_in_range(0..=2_u8)?;
    let tail = [depth, color, 0, 0, interlaced];
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &tail].concat();
    file.extend(png_chunk(*b"IHDR", &header));
    let mut sequence = 0_u32;
    for _ in 0..input.int_in_range(0..=12)? {
        let name = **input.choose(&NAMES)?;
        let content = match &name {
            b"IDAT" => zlib(&rows(input)?),
            b"fdAT" => {
                sequence += 1;
                [&sequence.to_be_bytes()[..], &zlib(&rows(input)?)].concat()
            }
            b"fcTL" => {
                sequence += 1;
                frame(input, sequence, [width, height])?
            }
            b"zTXt" => [b"XML:com.adobe.xmp\0\0".to_vec(), zlib(&bytes(input, 64)?)].concat(),
            b"iTXt" => [b"XML:com.adobe.xmp\0\0\0\0\0".to_vec(), bytes(input, 64)?].concat(),
            _ => bytes(input, 64)?,
        };
        file.extend(png_chunk(name, &content));
    }
    if input.ratio(9, 10)? {
        file.extend(png_chunk(*b"IEND", &[]));
    }
    Ok(file)
}

/// The rows of an image: some bytes, repeated.
fn rows(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let (some, count) = (bytes(input, 200)?, input.int_in_range(0..=300)?);
    Ok(some.repeat(count).into_iter().take(1 << 16).collect())
}

fn frame(input: &mut Unstructured<'_>, sequence: u32, canvas: [u32; 2]) -> Result<Vec<u8>> {
    let mut content = sequence.to_be_bytes().to_vec();
    for side in canvas {
        content.extend(input.int_in_range(0..=side + 1)?.to_be_bytes());
    }
    for side in canvas {
        content.extend(input.int_in_range(0..=side / 2)?.to_be_bytes());
    }
    content.extend(input.bytes(6)?);
    Ok(content)
}
