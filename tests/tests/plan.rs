//! The memory that a plan predicts is at least the memory that encoding uses.

use std::path::PathBuf;
use std::process::Command;

use glm4v_tests::{image_path, no_video_decoder, video_path};
use serde_json::Value;

/// Encodes files in a process of its own, and compares its peak with the plan.
fn check(preset: &str, dtype: &str, files: &[PathBuf]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(["peak", preset, dtype]).args(files);
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["items"], files.len());
    let Some(peak) = report["peak"].as_f64() else {
        eprintln!("SKIPPED: this system does not tell the peak memory of a process");
        return;
    };
    let planned = report["planned"].as_f64().unwrap();
    let what = format!("{preset}, {dtype}, {} files", files.len());
    assert!(peak <= planned, "{what}: {peak} bytes, {planned} planned");
    // `cargo xtask memory` has the bound of optimised builds, which is closer. The code of a debug program takes more memory.
    assert!(
        planned <= 2.0 * peak,
        "{what}: {peak} bytes, {planned} planned"
    );
}

fn images(count: usize) -> Vec<PathBuf> {
    vec![image_path("coffee-336.jpg"); count]
}

#[test]
fn one_image() {
    for dtype in ["f32", "bf16", "int8"] {
        check("tiny", dtype, &images(1));
        check("small", dtype, &images(1));
    }
}

#[test]
fn several_images() {
    check("tiny", "f32", &images(8));
    check("tiny", "f32", &images(60));
    check("small", "bf16", &images(8));
}

#[test]
fn a_video_beside_images() {
    let video = video_path("bigbuckbunny.mp4");
    if let Some(reason) = no_video_decoder(&video) {
        eprintln!("SKIPPED: {reason}");
        return;
    }
    check("tiny", "f32", &[images(2), vec![video]].concat());
}
