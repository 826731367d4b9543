//! Safetensors shards and their index, read by the crate `safetensors`.

use std::fs;
use std::path::Path;

use glm4v_store::{OutputDtype, Pool, ShardFormat};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

mod support;

const WIDTH: usize = 4;

fn run(dir: &Path, dtype: OutputDtype, pool: Pool) {
    let settings = support::settings(ShardFormat::Safetensors, dtype, pool, WIDTH);
    support::run(dir, &settings, 30);
}

fn index(dir: &Path) -> Vec<Value> {
    let lines = ["shard-000000.jsonl", "shard-000001.jsonl"]
        .map(|name| fs::read_to_string(dir.join(name)).unwrap())
        .concat();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_tensor_has_the_values_of_its_record() {
    for (dtype, stored_as) in [
        (OutputDtype::F32, Dtype::F32),
        (OutputDtype::F16, Dtype::F16),
        (OutputDtype::Bf16, Dtype::BF16),
    ] {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), dtype, Pool::None);
        let index = index(dir.path());
        assert_eq!(index.len(), 30);
        for (shard, inputs) in [(0, 0..20), (1, 20..30)] {
            let file = fs::read(dir.path().join(format!("shard-{shard:06}.safetensors"))).unwrap();
            let file = SafeTensors::deserialize(&file).unwrap();
            let encoded = inputs
                .clone()
                .filter(|&input| support::stored(input, WIDTH).error.is_none());
            assert_eq!(file.len(), encoded.count());
            for input in inputs {
                let stored = support::stored(input, WIDTH);
                let line = &index[input];
                assert_eq!(
                    (&line["input"], &line["id"]),
                    (&json!(input), &json!(stored.id))
                );
                if let Some(error) = stored.error {
                    assert_eq!(line["error"], error);
                    assert!(line.get("tensor").is_none());
                    continue;
                }
                let tensor = file.tensor(line["tensor"].as_str().unwrap()).unwrap();
                let mut expected = Vec::new();
                dtype.encode(&stored.tokens, &mut expected);
                assert_eq!((tensor.dtype(), tensor.data()), (stored_as, &expected[..]));
                assert_eq!(tensor.shape(), [stored.tokens.len() / WIDTH, WIDTH]);
                assert_eq!(line["grid_thw"], json!(stored.grid));
                assert_eq!(line["num_tokens"], stored.tokens.len() / WIDTH);
            }
        }
    }
}

#[test]
fn the_index_describes_videos_and_paths() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), OutputDtype::F32, Pool::Mean);
    let index = index(dir.path());
    assert!(index[0].get("video").is_none() && index[0].get("sha256").is_none());
    assert_eq!(
        index[1]["video"],
        json!({
            "frame_indices": [0, 5, 10, 15],
            "timestamps": [0.0, 0.4],
            "source_fps": 25.0,
            "source_seconds": 0.64,
            "source_frames": 16,
        })
    );
    assert_eq!(index[1]["sha256"], "ab".repeat(32));
    assert_eq!(index[5]["path"], "dir/bild-ä-5.png");
    if cfg!(unix) {
        assert_eq!(index[4]["path"], "dir/\u{fffd}.png");
        assert_eq!(index[4]["path_base64"], "ZGlyL/8ucG5n");
    }
    let file = fs::read(dir.path().join("shard-000000.safetensors")).unwrap();
    let mean = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(mean.tensor("1").unwrap().shape(), [1, WIDTH]);
}
