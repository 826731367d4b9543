//! Compares with the Python package `gguf`, which llama.cpp's converter uses.

use std::fs;
use std::path::Path;
use std::process::Command;

use glm4v_gguf::{Array, Format, Header, NewTensor, Value, Writer};

/// Runs `reference.py`, and returns what it printed. `None` if Python or the package is missing, which is said aloud.
fn python(arguments: [&Path; 2]) -> Option<String> {
    let skipped =
        |reason: &str| eprintln!("SKIPPED the comparison with the Python package gguf: {reason}");
    let Some(python) = std::env::var_os("GLM4V_PYTHON") else {
        skipped("GLM4V_PYTHON names no Python");
        return None;
    };
    let script = std::path::absolute("tests/reference.py").unwrap();
    let output = Command::new(python)
        .arg(script)
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("No module named 'gguf'") {
        skipped("it is not installed; see tests/golden/requirements.txt");
        return None;
    }
    assert!(output.status.success(), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let mut values = vec![0.0; bytes.len() / 4];
    assert_eq!(Format::F32.decode(&bytes, &mut values), values.len());
    values
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_file_of_the_package_is_read_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    if python([Path::new("write"), dir.path()]).is_none() {
        return;
    }
    let bytes = fs::read(dir.path().join("file.gguf")).unwrap();
    let header = Header::read(&bytes[..], bytes.len() as u64, "file.gguf").unwrap();
    for (key, expected) in [
        ("general.architecture", Value::from("clip")),
        ("uint8", Value::U8(200)),
        ("int8", Value::I8(-100)),
        ("uint16", Value::U16(60_000)),
        ("int16", Value::I16(-30_000)),
        ("uint32", Value::U32(4_000_000_000)),
        ("int32", Value::I32(-2_000_000_000)),
        ("float32", Value::F32(0.1)),
        ("bool", Value::Bool(true)),
        ("string", Value::from("ä b")),
        ("uint64", Value::U64(u64::MAX)),
        ("int64", Value::I64(i64::MIN)),
        ("float64", Value::F64(0.1)),
        ("floats", vec![0.5, -0.25].into()),
        ("integers", Value::Array(Array::I32(vec![1, -2, 3]))),
        (
            "strings",
            Value::Array(Array::String(["a", "", "ü"].map(str::to_owned).to_vec())),
        ),
        ("bools", Value::Array(Array::Bool(vec![true, false]))),
        ("clip.vision.image_mean", vec![0.5, 0.25, 0.125].into()),
    ] {
        assert_eq!(header.get(key), Some(&expected), "{key}");
    }
    let values = floats(&dir.path().join("values.f32"));
    for format in Format::ALL {
        let name = format.to_string();
        let tensor = header.tensor(&name).unwrap();
        assert_eq!(tensor.shape, [37, 3, 96]);
        let stored = &bytes[tensor.start as usize..][..tensor.bytes as usize];
        let mut quantized = Vec::new();
        format.encode(&values, &mut quantized);
        assert!(quantized == stored, "the blocks of {format} differ");
        let mut decoded = vec![0.0; values.len()];
        assert_eq!(format.decode(stored, &mut decoded), values.len());
        let expected = floats(&dir.path().join(name).with_extension("f32"));
        assert_eq!(bits(&decoded), bits(&expected), "{format}");
    }
}

#[test]
fn the_package_reads_our_file_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ours.gguf");
    let values: Vec<f32> = (0..192).map(|index| (index as f32).sin() * 3.0).collect();
    let tensors = Format::ALL.map(|format| NewTensor {
        name: format!("v.{format}.weight"),
        shape: vec![2, 3, 32],
        format,
    });
    let metadata = [
        ("general.architecture", Value::from("clip")),
        ("sizes", Value::Array(Array::U64(vec![1, 1 << 40]))),
        (
            "names",
            Value::Array(Array::String(vec!["a".into(), "ü".into()])),
        ),
        ("flag", false.into()),
        ("eps", Value::F64(1e-5)),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    let mut writer = Writer::new(fs::File::create(&path).unwrap(), &metadata, &tensors).unwrap();
    for _ in &tensors {
        values
            .chunks(50)
            .for_each(|values| writer.values(values).unwrap());
    }
    writer.finish().unwrap();
    let Some(printed) = python([Path::new("read"), &path]) else {
        return;
    };
    let mut expected = vec![
        "field\tgeneral.architecture\t'clip'".to_owned(),
        "field\tsizes\t[1, 1099511627776]".to_owned(),
        "field\tnames\t['a', 'ü']".to_owned(),
        "field\tflag\tFalse".to_owned(),
        "field\teps\t1e-05".to_owned(),
    ];
    for format in Format::ALL {
        let (mut blocks, mut decoded) = (Vec::new(), vec![0.0; values.len()]);
        format.encode(&values, &mut blocks);
        format.decode(&blocks, &mut decoded);
        let bytes = decoded.iter().flat_map(|value| value.to_le_bytes());
        let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
        let kind = format.to_string().to_uppercase();
        expected.push(format!(
            "tensor\tv.{format}.weight\t{kind}\t[2, 3, 32]\t{hex}"
        ));
    }
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}
