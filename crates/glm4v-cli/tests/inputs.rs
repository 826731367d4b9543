//! Videos through the program: video files, animated images, folders of frames; and their drawings.

mod support;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use support::{Run, glm4v, has_ffmpeg, image, read_safetensors, run, video};
use tempfile::TempDir;

/// The shape of a tensor of 64-bit numbers, and these.
type Numbers = (Vec<usize>, Vec<f64>);

fn numbers(file: &Path, name: &str) -> Numbers {
    let bytes = std::fs::read(file).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    let chunks = tensor.data().chunks_exact(8);
    let read = |bytes: &[u8]| match tensor.dtype() {
        Dtype::I64 => i64::from_le_bytes(bytes.try_into().unwrap()) as f64,
        Dtype::F64 => f64::from_le_bytes(bytes.try_into().unwrap()),
        other => panic!("{name} is {other:?}"),
    };
    (tensor.shape().to_vec(), chunks.map(read).collect())
}

fn glm4v_on(command: &str, inputs: &[PathBuf], options: &[&str]) -> Run {
    let inputs = inputs.iter().map(|path| path.as_os_str());
    let options = options.iter().map(OsStr::new);
    glm4v(
        [OsStr::new(command)]
            .into_iter()
            .chain(inputs)
            .chain(options),
    )
}

/// Nine frames of 60×83, each a little brighter, numbered so that names sort otherwise.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let photo = ::image::open(image("rgb-60x83.png")).unwrap();
    for index in 0..9 {
        let name = format!("frame{}.png", index + 3);
        photo
            .brighten(9 * index)
            .save(dir.path().join(name))
            .unwrap();
    }
    dir
}

#[test]
fn images_and_videos_come_in_any_order() {
    let (dir, frames) = (tempfile::tempdir().unwrap(), folder());
    let file = dir.path().join("a.safetensors");
    let path = file.to_str().unwrap();
    let mut inputs = vec![
        image("animated.gif"),
        image("rgb-60x83.png"),
        frames.path().to_owned(),
    ];
    let options = ["--source-fps", "4", "-o", path];
    glm4v_on("preprocess", &inputs, &options).ok();
    // Nine frames at four a second are three seconds long to the reference, at two frames a second.
    let rows = read_safetensors(&file, "pixel_values");
    assert_eq!(rows.grids, [[1, 6, 8], [1, 8, 6], [3, 6, 4]]);
    assert_eq!(
        numbers(&file, "videos"),
        (vec![2, 2], vec![0.0, 2.0, 2.0, 6.0])
    );
    let indices = vec![0.0, 1.0, 0.0, 2.0, 4.0, 6.0, 8.0, 8.0];
    assert_eq!(numbers(&file, "frames_indices"), (vec![8], indices));
    assert_eq!(
        numbers(&file, "timestamps"),
        (vec![4], vec![0.0, 0.0, 1.0, 2.0])
    );

    let encoded = glm4v_on(
        "encode",
        &inputs,
        &["--source-fps", "4", "--json", "-o", path],
    )
    .ok();
    let json = encoded.json();
    assert_eq!(
        json["inputs"][2]["video"]["frames_indices"],
        serde_json::json!([0, 2, 4, 6, 8, 8])
    );
    assert_eq!(json["inputs"][1]["video"], serde_json::Value::Null);
    let mixed = read_safetensors(&file, "embeddings");
    assert_eq!(mixed.shape, [12 + 12 + 18, 256]);
    assert_eq!(numbers(&file, "timestamps").0, [4]);

    inputs.rotate_left(1);
    glm4v_on("encode", &inputs, &["--source-fps", "4", "-o", path]).ok();
    let rotated = read_safetensors(&file, "embeddings");
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
    assert!(near(&rotated.values[30 * 256..], &mixed.values[..12 * 256]));
}

#[test]
fn an_animation_can_be_read_as_its_first_frame() {
    let gif = [image("animated.gif")];
    let first = glm4v_on("encode", &gif, &["--first-frame"]).ok().stdout;
    assert!(
        first.contains("1 image,") && !first.contains("frames"),
        "{first}"
    );
}

#[test]
fn sampling_options_apply_where_the_rule_allows_them() {
    let frames = folder();
    let inputs = [frames.path().to_owned()];
    let sampled = |options: &[&str]| {
        let json = glm4v_on(
            "encode",
            &inputs,
            &[&["--source-fps", "2", "--json"], options].concat(),
        )
        .ok()
        .json();
        json["inputs"][0]["video"]["frames_indices"]
            .as_array()
            .unwrap()
            .len()
    };
    // Five seconds.
    assert_eq!(sampled(&[]), 10);
    assert_eq!(sampled(&["--fps", "1"]), 6);
    assert_eq!(sampled(&["--fps", "1", "--max-duration", "2"]), 2);
    let fixed = glm4v_on(
        "encode",
        &inputs,
        &["--source-fps", "2", "--fps", "1", "--preset", "glm-4.6v"],
    );
    assert!(
        fixed
            .fails()
            .contains("Glm46VVideoProcessor, whose rates are fixed")
    );
    let negative = glm4v_on("encode", &inputs, &["--source-fps", "-2"]).misused();
    assert!(negative.contains("greater than 0"), "{negative}");
    let rate = glm4v_on("encode", &inputs, &["--frames"]).fails();
    assert!(rate.contains("--source-fps"), "{rate}");
    // Without a rate the frames are images.
    let images = glm4v_on("encode", &inputs, &["--json"]).ok().json();
    let images = images["inputs"].as_array().unwrap();
    assert_eq!(images.len(), 9);
    assert!(images.iter().all(|image| image["video"].is_null()));
}

/// The tokens that `plan` counts for an image of 90×62 pixels, and for a video of two such frames.
fn planned_tokens(options: &[&str]) -> Vec<u64> {
    let plan = ["plan", "90x62", "90x62x2", "--json"];
    let json = glm4v([&plan, options].concat()).ok().json();
    let inputs = json["inputs"].as_array().unwrap().iter();
    inputs
        .map(|input| input["tokens"].as_u64().unwrap())
        .collect()
}

#[test]
fn limits_of_the_size_hold_for_images_and_videos() {
    assert_eq!(planned_tokens(&[]), [12, 12]);
    // A single limit wins over the minimum of the model, 8 tokens.
    assert_eq!(planned_tokens(&["--max-tokens", "6"]), [6, 6]);
    assert_eq!(planned_tokens(&["--max-tokens", "4"]), [2, 2]);
    assert_eq!(planned_tokens(&["--max-pixels", "9408"]), [6, 6]);
    assert_eq!(planned_tokens(&["--min-tokens", "24"]), [30, 30]);

    let photo = [image("rgb-90x62.png")];
    let encoded = glm4v_on("encode", &photo, &["--max-tokens", "6", "--json"]).ok();
    assert_eq!(encoded.json()["inputs"][0]["tokens"], 6);
    for options in [
        ["--max-tokens", "6", "--max-pixels", "9408"],
        ["--max-tokens", "0", "--min-tokens", "1"],
        ["--min-tokens", "9", "--max-tokens", "6"],
    ] {
        glm4v_on("encode", &photo, &options).misused();
    }
}

#[test]
fn video_files_are_read_through_ffmpeg() {
    if !has_ffmpeg() {
        return;
    }
    let json = glm4v_on("encode", &[video("b-frames.mp4")], &["--json"])
        .ok()
        .json();
    let video = &json["inputs"][0]["video"];
    assert_eq!(video["frames_indices"], serde_json::json!([0, 12, 24, 24]));
    assert_eq!(video["num_frames"], 41);
}

#[test]
fn without_ffmpeg_the_error_says_what_to_install() {
    let mut command = support::program();
    command
        .arg("encode")
        .arg(video("b-frames.mp4"))
        .env("PATH", "");
    let error = run(&mut command).fails();
    assert!(error.contains("install ffmpeg"), "{error}");
}

#[test]
fn a_video_is_drawn_as_a_sheet() {
    let (dir, frames) = (tempfile::tempdir().unwrap(), folder());
    let inputs = [frames.path().to_owned()];
    let size = |options: &[&str]| {
        let file = dir.path().join("v.png");
        let output = ["--source-fps", "4", "-o", file.to_str().unwrap()];
        glm4v_on("viz", &inputs, &[&output, options].concat()).ok();
        ::image::image_dimensions(file).unwrap()
    };
    // Three temporal patches of 56×84 pixels, in two columns.
    assert_eq!(size(&[]), (112, 168));
    assert_eq!(size(&["--block", "0", "--opacity", "1"]), (112, 168));
    let error = glm4v_on("viz", &inputs, &["--source-fps", "4", "-o", "v.jpg"]).misused();
    assert!(error.contains("must end in .png"), "{error}");
}

#[test]
fn the_tower_gives_more_than_embeddings() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.safetensors");
    let inputs = [image("rgb-90x62.png"), image("rgb-60x83.png")];
    let path = file.to_str().unwrap();
    let more = [
        "--last-hidden-state",
        "--hidden-states",
        "0",
        "--attention",
        "0:1:0:7:5",
        // Twice the same is one tensor.
        "--attention",
        "0:1:0:7:5",
    ];
    glm4v_on("encode", &inputs, &[&["-o", path], &more[..]].concat()).ok();
    let shape = |name| read_safetensors(&file, name).shape;
    assert_eq!(shape("embeddings"), [24, 256]);
    assert_eq!(shape("last_hidden_state"), [24, 256]);
    assert_eq!(shape("hidden_states.0"), [96, 128]);
    assert_eq!(shape("attention.0:1:0:7:5"), [2, 8, 6]);
    let attention = read_safetensors(&file, "attention.0:1:0:7:5").values;
    let heads = attention
        .chunks_exact(48)
        .map(|head| head.iter().sum::<f32>());
    assert!(heads.into_iter().all(|sum| (sum - 1.0).abs() < 1e-5));

    let beyond = ["--attention", "0:2:0:0:0", "-o", path];
    let beyond = glm4v_on("encode", &inputs, &beyond).fails();
    assert!(beyond.contains("an input from 0 to 1, found 2"), "{beyond}");
    let json = glm4v_on("encode", &inputs, &["--last-hidden-state", "-o", "a.json"]).misused();
    assert!(json.contains(".safetensors only"), "{json}");
    let nowhere = glm4v_on("encode", &inputs, &["--last-hidden-state"]).misused();
    assert!(nowhere.contains("need a file"), "{nowhere}");
}
