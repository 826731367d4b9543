//! A resumed job with other settings or inputs is refused.

use serde_json::json;

use super::*;

/// A field, its change, and both values in the message.
type Change = (&'static str, fn(&mut Settings), &'static str);

#[test]
fn every_changed_setting_is_named_with_both_values() {
    let first = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(2, dir.path(), &first);
    let changes: [Change; 16] = [
        (
            "version",
            |s| s.version = "0.2.0".into(),
            "was \"0.1.0\", and is now \"0.2.0\"",
        ),
        (
            "model",
            |s| s.model = "big".into(),
            "was \"tiny\", and is now \"big\"",
        ),
        (
            "fingerprint",
            |s| s.fingerprint = "beef".into(),
            "was \"f00d\", and is now \"beef\"",
        ),
        ("width", |s| s.width = 4, "was 3, and is now 4"),
        (
            "dtype",
            |s| s.dtype = "bf16".into(),
            "was \"f32\", and is now \"bf16\"",
        ),
        (
            "kernels",
            |s| s.kernels = "avx2".into(),
            "was \"generic\", and is now \"avx2\"",
        ),
        (
            "device",
            |s| s.device = "wgpu".into(),
            "was \"cpu\", and is now \"wgpu\"",
        ),
        (
            "options.max_tokens",
            |s| drop(s.options.insert("max_tokens".into(), json!(65))),
            "was 64, and is now 65",
        ),
        (
            "options.attention",
            |s| drop(s.options.insert("attention".into(), json!("eager"))),
            "was nothing, and is now \"eager\"",
        ),
        (
            "batch_limits.max_patches",
            |s| s.batch_limits.clear(),
            "was 1024, and is now nothing",
        ),
        (
            "format",
            |s| s.format = ShardFormat::Safetensors,
            "was \"parquet\", and is now \"safetensors\"",
        ),
        (
            "output_dtype",
            |s| s.output_dtype = OutputDtype::F32,
            "was \"f16\", and is now \"f32\"",
        ),
        (
            "pool",
            |s| s.pool = Pool::Mean,
            "was \"none\", and is now \"mean\"",
        ),
        (
            "shard_bytes",
            |s| s.shard_bytes = 51,
            "was 50, and is now 51",
        ),
        (
            "shard_inputs",
            |s| s.shard_inputs = 5,
            "was 4, and is now 5",
        ),
        (
            "split",
            |s| s.split = Split::new(0, 2).unwrap(),
            "was \"0/1\", and is now \"0/2\"",
        ),
    ];
    let before = files(dir.path());
    for (field, change, values) in changes {
        let mut other = first.clone();
        change(&mut other);
        let error = run(dir.path(), &other).unwrap_err();
        let StoreError::Changed { differences, .. } = &error else {
            panic!("{field}: {error}");
        };
        assert_eq!(differences.len(), 1, "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("{field} {values}")), "{text}");
        assert!(files(dir.path()) == before, "{field}");
    }
    run(dir.path(), &first).unwrap();
}

#[test]
fn other_inputs_are_refused() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(1, dir.path(), &settings);
    let before = files(dir.path());
    let error = |inputs: &mut dyn Iterator<Item = io::Result<String>>| {
        let error = Job::open(dir.path(), &settings, inputs).unwrap_err();
        assert!(matches!(error, StoreError::OtherInputs { .. }), "{error}");
        error.to_string()
    };
    let renamed = inputs().map(|input| input.map(|name| name.replace("image-7", "picture-7")));
    let message = error(&mut { renamed });
    assert!(
        message.contains(
            "started with other inputs: 1 input is new: `picture-7.png`; 1 input is missing: `image-7.png`; name the"
        ),
        "{message}"
    );
    let message = error(&mut inputs().skip(1));
    assert!(
        message.contains("1 input is missing: `image-0.png`;"),
        "{message}"
    );
    let reversed: Vec<_> = inputs().collect();
    let message = error(&mut reversed.into_iter().rev());
    assert!(
        message.contains("the same inputs are in another order"),
        "{message}"
    );
    assert!(files(dir.path()) == before);
    run(dir.path(), &settings).unwrap();
}

#[test]
fn every_field_of_the_manifest_is_compared() {
    let settings = settings(ShardFormat::Parquet);
    let dir = tempfile::tempdir().unwrap();
    interrupt_after(1, dir.path(), &settings);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("manifest.json")).unwrap()).unwrap();
    let fields: Vec<&String> = manifest.as_object().unwrap().keys().collect();
    // 15 settings, of which the tests above change each, the layout and the inputs.
    assert_eq!(fields.len(), 17, "{fields:?}");
}
