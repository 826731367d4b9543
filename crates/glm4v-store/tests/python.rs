//! Python's readers see the values that were stored. `GLM4V_PYTHON` names a Python that has them.

use std::path::Path;
use std::process::Command;

use glm4v_store::handover::{openai, vllm_cache};
use glm4v_store::{GridThw, OutputDtype, Pool, ShardFormat};
use serde_json::json;

mod support;

const WIDTH: usize = 6;
const INPUTS: usize = 30;

/// Runs a script with a directory. A script that lacks a package says so and ends with status 77.
fn check(script: &str, dir: &Path) {
    let Some(python) = std::env::var_os("GLM4V_PYTHON") else {
        eprintln!("SKIPPED {script}: GLM4V_PYTHON does not name a Python");
        return;
    };
    let script = std::path::absolute("tests/python").unwrap().join(script);
    let output = Command::new(python)
        .arg(&script)
        .arg(dir)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => println!("{text}"),
        Some(77) => eprintln!("SKIPPED {}: {text}", script.display()),
        _ => panic!("{}: {}\n{text}", script.display(), output.status),
    }
}

/// Writes the expected values of all inputs, as the scripts read them. JSON has no NaN, so bits are numbers.
fn expect(dir: &Path) {
    let inputs: Vec<_> = (0..INPUTS)
        .map(|input| {
            let stored = support::stored(input, WIDTH);
            json!({
                "id": stored.id,
                "path": stored.path.to_string_lossy(),
                "grid_thw": stored.grid,
                "bits": stored.tokens.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
                "video": stored.is_video,
                "error": stored.error,
            })
        })
        .collect();
    let expected = json!({
        "width": WIDTH,
        "frame_indices": support::INDICES,
        "timestamps": support::TIMESTAMPS,
        "inputs": inputs,
    });
    std::fs::write(dir.join("expected.json"), expected.to_string()).unwrap();
}

fn run(dir: &Path, format: ShardFormat, dtype: OutputDtype, pool: Pool) {
    let name = format!("{format}-{dtype}-{pool}");
    support::run(
        &dir.join(name),
        &support::settings(format, dtype, pool, WIDTH),
        INPUTS,
    );
}

#[test]
fn pyarrow_duckdb_and_polars_read_parquet() {
    let dir = tempfile::tempdir().unwrap();
    expect(dir.path());
    for dtype in [OutputDtype::F32, OutputDtype::F16] {
        for pool in Pool::ALL {
            run(dir.path(), ShardFormat::Parquet, dtype, pool);
        }
    }
    for script in ["read_pyarrow.py", "read_duckdb.py", "read_polars.py"] {
        check(script, dir.path());
    }
}

#[test]
fn safetensors_reads_shards() {
    let dir = tempfile::tempdir().unwrap();
    expect(dir.path());
    for dtype in OutputDtype::ALL {
        run(dir.path(), ShardFormat::Safetensors, dtype, Pool::None);
    }
    check("read_safetensors.py", dir.path());
}

#[test]
fn numpy_and_safetensors_read_what_vllm_gets() {
    let dir = tempfile::tempdir().unwrap();
    let tokens: Vec<f32> = (0..3 * 4).map(|value| value as f32 / 4.0).collect();
    vllm_cache::write(dir.path(), "cat", &tokens, 4).unwrap();
    let parts = [OutputDtype::F32, OutputDtype::F16].map(|dtype| {
        openai::content_part(&tokens, 4, GridThw::new(1, 2, 6), dtype, Some("cat")).unwrap()
    });
    std::fs::write(dir.path().join("parts.json"), json!(parts).to_string()).unwrap();
    check("read_handover.py", dir.path());
}
