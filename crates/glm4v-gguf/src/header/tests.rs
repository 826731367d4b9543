use super::*;
use crate::{Array, Format, NewTensor, Writer};

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// The parts of a file, each of which a test can change.
#[derive(Clone)]
struct File {
    magic: Vec<u8>,
    version: u32,
    counts: [u64; 2],
    /// Pairs: key, type, bytes of the value.
    pairs: Vec<(Vec<u8>, u32, Vec<u8>)>,
    /// Tensors: name, shape with the innermost side first, type, offset.
    tensors: Vec<(Vec<u8>, Vec<u64>, u32, u64)>,
    data: usize,
}

impl File {
    /// `a` is 2 × 32 values of Q8_0, 68 bytes. `b` is 3 values of F32 at byte 96.
    fn new() -> Self {
        Self {
            magic: b"GGUF".to_vec(),
            version: 3,
            counts: [2, 2],
            pairs: vec![
                (text("general.type"), 8, text("mmproj")),
                (text("general.alignment"), 4, 32_u32.to_le_bytes().to_vec()),
            ],
            tensors: vec![(text("a"), vec![32, 2], 8, 0), (text("b"), vec![3], 0, 96)],
            data: 96 + 12,
        }
    }

    /// The position of the first tensor, and the bytes.
    fn bytes(&self) -> (usize, Vec<u8>) {
        let mut bytes = self.magic.clone();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.counts.iter().flat_map(|count| count.to_le_bytes()));
        for (key, kind, value) in &self.pairs {
            bytes.extend(key);
            bytes.extend(kind.to_le_bytes());
            bytes.extend(value);
        }
        for (name, shape, kind, offset) in &self.tensors {
            bytes.extend(name);
            bytes.extend((shape.len() as u32).to_le_bytes());
            bytes.extend(shape.iter().flat_map(|side| side.to_le_bytes()));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        let start = bytes.len();
        bytes.resize(start + self.data, 7);
        (start, bytes)
    }

    fn read(&self) -> Result<Header, GgufError> {
        let bytes = self.bytes().1;
        Header::read(&bytes[..], bytes.len() as u64, "x.gguf")
    }
}

#[test]
fn tensors_are_counted_from_the_beginning_of_the_file() {
    for version in VERSIONS {
        let file = File {
            version,
            ..File::new()
        };
        let (start, header) = (file.bytes().0 as u64, file.read().unwrap());
        assert_eq!(header.get("general.type"), Some(&"mmproj".into()));
        let [a, b] = &header.tensors[..] else {
            panic!("{header:?}")
        };
        assert_eq!((&a.shape[..], a.start, a.bytes), (&[2, 32][..], start, 68));
        assert_eq!((&b.shape[..], b.start, b.bytes), (&[3][..], start + 96, 12));
        assert_eq!(header.tensor("b"), Some(b));
    }
}

#[test]
fn every_value_that_is_written_is_read() {
    let pairs: Vec<(String, Value)> = [
        Value::U8(200),
        Value::I8(-100),
        Value::U16(60_000),
        Value::I16(-30_000),
        Value::U32(4_000_000_000),
        Value::I32(-2_000_000_000),
        Value::F32(0.1),
        Value::Bool(true),
        Value::String("ä\nb".into()),
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F64(0.1),
        Value::Array(Array::U8(vec![1, 200])),
        Value::Array(Array::I8(vec![-1])),
        Value::Array(Array::U16(vec![1, 2, 3])),
        Value::Array(Array::I16(vec![-1, 2])),
        Value::Array(Array::U32(vec![])),
        Value::Array(Array::I32(vec![-1, 2])),
        Value::Array(Array::F32(vec![0.5, -0.5])),
        Value::Array(Array::Bool(vec![true, false])),
        Value::Array(Array::String(vec!["a".into(), String::new()])),
        Value::Array(Array::U64(vec![u64::MAX])),
        Value::Array(Array::I64(vec![i64::MIN])),
        Value::Array(Array::F64(vec![0.1, 0.2])),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, value)| (format!("key.{index}"), value))
    .collect();
    let writer = Writer::new(Vec::new(), &pairs, &[]).unwrap();
    let bytes = writer.finish().unwrap();
    let header = Header::read(&bytes[..], bytes.len() as u64, "memory").unwrap();
    assert_eq!(header.metadata, pairs);
}

#[test]
fn slices_of_any_length_are_written_in_blocks() {
    let values: Vec<f32> = (0..96).map(|index| index as f32 - 40.0).collect();
    let tensor = |name: &str, format| NewTensor {
        name: name.into(),
        shape: vec![3, 32],
        format,
    };
    let tensors = Format::ALL.map(|format| tensor(&format.to_string(), format));
    for cut in [1, 5, 31, 32, 40, 96] {
        let mut writer = Writer::new(Vec::new(), &[], &tensors).unwrap();
        for _ in &tensors {
            for values in values.chunks(cut) {
                writer.values(values).unwrap();
            }
        }
        let bytes = writer.finish().unwrap();
        let header = Header::read(&bytes[..], bytes.len() as u64, "memory").unwrap();
        for (info, format) in header.tensors.iter().zip(Format::ALL) {
            let mut expected = Vec::new();
            format.encode(&values, &mut expected);
            let found = &bytes[info.start as usize..][..info.bytes as usize];
            assert_eq!(found, expected, "{format}, {cut}");
        }
    }
}

#[test]
fn what_cannot_be_stored_is_refused() {
    let refused = |tensors: &[(&str, &[usize], Format)]| {
        let new = |&(name, shape, format): &(&str, &[usize], Format)| NewTensor {
            name: name.into(),
            shape: shape.into(),
            format,
        };
        let tensors: Vec<NewTensor> = tensors.iter().map(new).collect();
        Writer::new(Vec::new(), &[], &tensors)
            .unwrap_err()
            .to_string()
    };
    let message = refused(&[("a", &[2, 48], Format::Q8_0)]);
    assert!(message.contains("rows of 48 values"), "{message}");
    let message = refused(&[("a", &[1; 5], Format::F32)]);
    assert!(message.contains("5 sides"), "{message}");
    let message = refused(&[("a", &[1][..], Format::F32); 2]);
    assert!(message.contains("twice"), "{message}");
}

type Change = fn(&mut File);

#[test]
fn hostile_headers_are_refused() {
    let cases: &[(&str, Change)] = &[
        ("begins with `GGML`", |file| file.magic = b"GGML".to_vec()),
        ("a web page", |file| file.magic = b"<html lang".to_vec()),
        ("a Git LFS pointer", |file| {
            file.magic = b"version https://git-lfs".to_vec()
        }),
        ("big-endian", |file| file.version = 3_u32.swap_bytes()),
        ("version is 1", |file| file.version = 1),
        ("version is 4", |file| file.version = 4),
        ("list of tensors needs 18446744073709551615", |file| {
            file.counts[0] = u64::MAX
        }),
        ("the metadata needs 18446744073709551615", |file| {
            file.counts[1] = u64::MAX
        }),
        ("the name of tensor 2 is empty", |file| file.counts[0] = 3),
        ("the name of tensor 0 needs", |file| file.counts[1] = 3),
        ("metadata key 0 needs 9223372036854775808", |file| {
            file.pairs[0].0 = (1_u64 << 63).to_le_bytes().to_vec();
        }),
        ("metadata key 0 is empty", |file| file.pairs[0].0 = text("")),
        ("control characters", |file| {
            file.pairs[0].0 = text("a\x1b[2J")
        }),
        ("metadata key 0 is not UTF-8", |file| {
            file.pairs[0].0[8] = 0xff
        }),
        ("`general.alignment` is there twice", |file| {
            file.pairs[0] = file.pairs[1].clone();
        }),
        ("the unknown type 13", |file| file.pairs[0].1 = 13),
        ("`general.type` needs 1000000", |file| {
            file.pairs[0].2 = 1_000_000_u64.to_le_bytes().to_vec();
        }),
        ("array of arrays", |file| {
            let array = [&9_u32.to_le_bytes()[..], &1_u64.to_le_bytes()].concat();
            (file.pairs[0].1, file.pairs[0].2) = (9, array);
        }),
        ("`general.type` needs 2305843009213693952 · 8", |file| {
            let array = [&12_u32.to_le_bytes()[..], &(1_u64 << 61).to_le_bytes()].concat();
            (file.pairs[0].1, file.pairs[0].2) = (9, array);
        }),
        ("must be a power of two of 32 bits, and is 24", |file| {
            file.pairs[1].2 = 24_u32.to_le_bytes().to_vec();
        }),
        ("must be a power of two of 32 bits, and is 0", |file| {
            file.pairs[1].2 = vec![0; 4];
        }),
        ("the name of tensor 0 is empty", |file| {
            file.tensors[0].0 = text("")
        }),
        ("tensor `b` is there twice", |file| {
            file.tensors[0].0 = text("b")
        }),
        ("a shape of 5 sides", |file| file.tensors[1].1 = vec![1; 5]),
        ("tensor `b` has no values", |file| {
            file.tensors[1].1 = vec![3, 0]
        }),
        ("too many values", |file| {
            file.tensors[1].1 = vec![1 << 31, 1 << 31, 4]
        }),
        ("too many values", |file| {
            file.tensors[0].1 = vec![u64::MAX - 31]
        }),
        ("rows of 33 values", |file| file.tensors[0].1 = vec![33, 2]),
        ("tensor `b` has the type 31", |file| file.tensors[1].2 = 31),
        ("not a multiple of the alignment 32", |file| {
            file.tensors[1].3 = 100
        }),
    ];
    for (part, change) in cases {
        let mut file = File::new();
        change(&mut file);
        let message = file.read().unwrap_err().to_string();
        assert!(
            message.contains(part) && message.contains("x.gguf"),
            "{part}: {message}"
        );
        assert!(!message.contains(char::is_control), "{message}");
    }
}

#[test]
fn tensors_outside_the_file_and_shared_bytes_are_refused() {
    let cases: &[(&str, Change)] = &[
        (
            "tensor `b` has 12 bytes from byte 96 of the data on, which is past the end",
            |file| {
                file.data -= 1;
            },
        ),
        ("past the end", |file| file.tensors[1].3 = u64::MAX - 31),
        ("past the end", |file| file.tensors[0].1 = vec![32, 1 << 50]),
        ("tensors `a` and `b` share bytes", |file| {
            file.tensors[1].3 = 64
        }),
    ];
    for (part, change) in cases {
        let mut file = File::new();
        change(&mut file);
        let message = file.read().unwrap_err().to_string();
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let (start, bytes) = File::new().bytes();
    for len in 0..bytes.len() {
        assert!(
            Header::read(&bytes[..len], len as u64, "x").is_err(),
            "{len}"
        );
    }
    // A file that becomes shorter while it is read. Up to 31 bytes before the first tensor are padding.
    for len in 0..=start - 32 {
        let error = Header::read(&bytes[..len], bytes.len() as u64, "x").unwrap_err();
        assert!(matches!(error, GgufError::Io { .. }), "{len}: {error}");
    }
}

#[test]
fn random_damage_is_never_a_panic() {
    let bytes = File::new().bytes().1;
    let mut state = 1_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize
    };
    for _ in 0..20_000 {
        let mut bytes = bytes.clone();
        for _ in 0..1 + random() % 4 {
            let place = random() % bytes.len();
            bytes[place] = random() as u8;
        }
        let _ = Header::read(&bytes[..], bytes.len() as u64, "x");
    }
}
