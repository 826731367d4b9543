//! TIFF files of valid directories, with tags that decide how pixels are stored.
#![no_main]

use glm4v_fuzz::{bytes, check_image, contained, zlib};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

const COMPRESSIONS: [u32; 11] = [1, 2, 3, 4, 5, 7, 8, 32773, 32946, 50000, 34925];
const KINDS: [u16; 6] = [3, 4, 1, 5, 2, 13];
/// Tags that the reader knows, without those that every file has.
const TAGS: [u16; 18] = [
    254, 266, 274, 277, 278, 284, 292, 293, 317, 320, 322, 323, 338, 339, 347, 529, 530, 532,
];

fuzz_target!(|data: &[u8]| contained(|| check(data)));

fn check(data: &[u8]) {
    if let Ok(file) = file(&mut Unstructured::new(data)) {
        check_image(&file);
    }
}

struct Tag {
    number: u16,
    kind: u16,
    values: Vec<u32>,
}

fn file(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let big = input.arbitrary()?;
    let mut tags = vec![
        number(256, input.int_in_range(0..=70)?),
        number(257, input.int_in_range(0..=70)?),
        number(259, *input.choose(&COMPRESSIONS)?),
        number(262, input.int_in_range(0..=9)?),
    ];
    let samples = input.int_in_range(0..=5)?;
    tags.push(number(277, samples));
    let bits = *input.choose(&[1, 2, 4, 8, 12, 16, 32, 64])?;
    tags.push(Tag {
        number: 258,
        kind: 3,
        values: vec![bits; samples.max(1) as usize],
    });
    for _ in 0..input.int_in_range(0..=8)? {
        let count = input.int_in_range(0..=4)?;
        let values = (0..count).map(|_| value(input)).collect::<Result<_>>()?;
        tags.push(Tag {
            number: *input.choose(&TAGS)?,
            kind: *input.choose(&KINDS)?,
            values,
        });
    }
    let mut data = bytes(input, 400)?.repeat(input.int_in_range(1..=40)?);
    data.truncate(1 << 15);
    if input.arbitrary()? {
        data = zlib(&data);
    }
    let strips = input.int_in_range(0..=4_u32)?;
    let each = data.len() as u32 / strips.max(1);
    let (offsets, counts) = match input.arbitrary()? {
        true => (324, 325),
        false => (273, 279),
    };
    tags.push(Tag {
        number: offsets,
        kind: 4,
        values: (0..strips).map(|strip| 8 + strip * each).collect(),
    });
    tags.push(Tag {
        number: counts,
        kind: 4,
        values: vec![each; strips as usize],
    });
    tags.sort_by_key(|tag| tag.number);
    Ok(written(&tags, &data, big))
}

fn number(number: u16, value: u32) -> Tag {
    let (kind, values) = (4, vec![value]);
    Tag {
        number,
        kind,
        values,
    }
}

/// Small values are the useful ones.
fn value(input: &mut Unstructured<'_>) -> Result<u32> {
    match input.ratio(4, 5)? {
        true => input.int_in_range(0..=40),
        false => input.arbitrary(),
    }
}

/// The header, the data, the directory, and the values that do not fit into it.
fn written(tags: &[Tag], data: &[u8], big: bool) -> Vec<u8> {
    let u16s = |value: u16| match big {
        true => value.to_be_bytes(),
        false => value.to_le_bytes(),
    };
    let u32s = |value: u32| match big {
        true => value.to_be_bytes(),
        false => value.to_le_bytes(),
    };
    let directory = 8 + data.len();
    let mut behind = directory + 2 + 12 * tags.len() + 4;
    let mut file = if big { b"MM".to_vec() } else { b"II".to_vec() };
    file.extend(u16s(42));
    file.extend(u32s(directory as u32));
    file.extend(data);
    file.extend(u16s(tags.len() as u16));
    let mut values = Vec::new();
    for tag in tags {
        let stored: Vec<u8> = match tag.kind {
            3 => tag
                .values
                .iter()
                .flat_map(|&value| u16s(value as u16))
                .collect(),
            1 | 2 => tag.values.iter().map(|&value| value as u8).collect(),
            5 => tag
                .values
                .iter()
                .flat_map(|&value| [u32s(value), u32s(1)])
                .flatten()
                .collect(),
            _ => tag.values.iter().flat_map(|&value| u32s(value)).collect(),
        };
        file.extend(u16s(tag.number));
        file.extend(u16s(tag.kind));
        file.extend(u32s(tag.values.len() as u32));
        if stored.len() <= 4 {
            file.extend(&stored);
            file.extend(std::iter::repeat_n(0, 4 - stored.len()));
        } else {
            file.extend(u32s(behind as u32));
            behind += stored.len();
            values.extend(stored);
        }
    }
    file.extend(u32s(0));
    file.extend(values);
    file
}
