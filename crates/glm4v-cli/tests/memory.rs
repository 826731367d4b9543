//! `glm4v plan`, and how `--max-memory` shrinks or refuses the work.

mod support;

use std::path::Path;

use support::{Run, entries, glm4v, has_ffmpeg, image, needed_mib, read_safetensors, video};

fn plan(args: &[&str]) -> serde_json::Value {
    glm4v([&["plan", "--json"], args].concat()).ok().json()
}

#[test]
fn sizes_are_planned_without_files() {
    let json = plan(&[
        "336x336",
        "640x360x5",
        "--preset",
        "glm-4.1v-9b",
        "--device",
        "flex",
    ]);
    let grids = |json: &serde_json::Value| json["inputs"][1]["grid_thw"].clone();
    assert_eq!(
        json["inputs"][0]["grid_thw"],
        serde_json::json!([1, 24, 24])
    );
    assert_eq!(json["inputs"][0]["patches"], 576);
    assert_eq!(json["inputs"][0]["tokens"], 144);
    assert_eq!(grids(&json), serde_json::json!([3, 26, 46]));
    assert_eq!(json["tokens"], 144 + 3 * 13 * 23);
    assert_eq!(json["parameters"], 892_498_432);
    let bytes = |name: &str| json["bytes"][name].as_u64().unwrap();
    // The tower also keeps a patch kernel for images, whose rows have one frame.
    assert_eq!(bytes("weights"), 4 * (892_498_432 + 1536 * (588 + 1)));
    let values = 576 * 588 + 3 * 26 * 46 * 1176;
    assert_eq!(bytes("patch_rows"), values * 4);
    assert!(bytes("total") > bytes("weights") + bytes("patch_rows"));
    // Width and height exchanged give another grid.
    let rotated = plan(&["336x336", "360x640x5"]);
    assert_eq!(grids(&rotated), serde_json::json!([3, 46, 26]));
}

#[test]
fn eight_bits_take_half_the_weights_of_sixteen_and_need_flex() {
    let weights = |dtype: &str| {
        let options = ["336x336", "--preset", "glm-4.1v-9b", "--device", "flex"];
        let json = plan(&[&options[..], &["--dtype", dtype]].concat());
        assert_eq!(json["dtype"], dtype);
        json["bytes"]["weights"].as_f64().unwrap()
    };
    let ratio = weights("int8") / weights("bf16");
    assert!(ratio > 0.5 && ratio < 0.53, "{ratio}");
    let error = glm4v(["plan", "336x336", "--device", "cuda:7", "--dtype", "int8"]).fails();
    for part in ["cuda:7", "does not compute in int8", "flex"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn files_are_planned_as_they_are_encoded() {
    let mut inputs = ["exif-6.jpg", "animated.gif", "exif-6.webp", "plain.gif"]
        .map(image)
        .to_vec();
    if has_ffmpeg() {
        inputs.push(video("bigbuckbunny.mp4"));
    }
    let run = |command: &str| {
        let inputs = inputs.iter().map(|path| path.to_str().unwrap());
        glm4v(["-q", "--json", command].into_iter().chain(inputs))
            .ok()
            .json()
    };
    let (planned, encoded) = (run("plan"), run("encode"));
    assert_eq!(planned["tokens"], encoded["tokens"]);
    let pairs = planned["inputs"].as_array().unwrap().iter();
    for (planned, encoded) in pairs.zip(encoded["inputs"].as_array().unwrap()) {
        for field in ["file", "width", "height", "video", "grid_thw", "tokens"] {
            assert_eq!(
                planned[field], encoded[field],
                "{field} of {}",
                planned["file"]
            );
        }
    }
}

#[test]
fn folders_patterns_and_lists_are_planned_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("photos");
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    for (source, name) in [
        ("rgb-60x83.png", "b.png"),
        ("rgb-90x62.png", "a.png"),
        ("rgb-200x44.png", "sub/c.png"),
    ] {
        std::fs::copy(image(source), folder.join(name)).unwrap();
    }
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let list = dir.path().join("list.txt");
    std::fs::write(&list, text(&folder.join("b.png"))).unwrap();
    let (folder, list) = (text(&folder), text(&list));
    let pattern = format!("{folder}/**/c.*");
    let names = |args: &[&str]| {
        let json = glm4v([&["plan", "--json", "-q"], args].concat())
            .ok()
            .json();
        let names = json["inputs"].as_array().unwrap().iter();
        let names: Vec<String> = names
            .map(|input| {
                input["file"]
                    .as_str()
                    .unwrap()
                    .replace(&format!("{folder}/"), "")
            })
            .collect();
        names
    };
    assert_eq!(names(&[&folder]), ["a.png", "b.png"]);
    assert_eq!(
        names(&[
            "56x56",
            &folder,
            "-r",
            "28x28",
            &pattern,
            "--files-from",
            &list
        ]),
        [
            "56x56",
            "a.png",
            "b.png",
            "sub/c.png",
            "28x28",
            "sub/c.png",
            "b.png"
        ]
    );
    let broken = Path::new(&folder).join("broken.png");
    std::fs::write(&broken, b"\x89PNG\r\n\x1a\n").unwrap();
    let error = glm4v(["plan", "-q", &folder]).fails();
    assert!(error.contains("broken.png"), "{error}");
    assert_eq!(names(&[&folder, "--on-error", "skip"]), ["a.png", "b.png"]);
}

#[test]
fn a_plan_reads_well_and_needs_no_device() {
    let text = glm4v([
        "plan", "336x336", "100x60", "--device", "cuda:7", "--dtype", "f16",
    ]);
    let text = text.ok().stdout;
    for part in [
        "336×336",
        "1×24×24",
        "576",
        "total",
        "device memory",
        "f16 on cuda:7",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let error = glm4v(["plan", "4x1000"]).fails();
    assert!(error.contains("4x1000") && error.contains("200"), "{error}");
    let error = glm4v(["plan", "none.png"]).fails();
    assert!(error.contains("none.png"), "{error}");
}

fn encode(output: &Path, device: &str, options: &[&str]) -> Run {
    let images = [
        "chelsea.png",
        "rgb-60x83.png",
        "coffee-336.jpg",
        "rgb-200x44.png",
    ]
    .map(image);
    let mut args = vec!["encode".into()];
    args.extend(images.map(std::path::PathBuf::into_os_string));
    args.extend(["-q", "--preset", "small", "--device", device].map(Into::into));
    args.extend(options.iter().map(Into::into));
    args.extend(["-o".into(), output.into()]);
    glm4v(args)
}

#[test]
fn smaller_batches_give_the_same_and_too_little_memory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (usual, cut) = (
        dir.path().join("usual.safetensors"),
        dir.path().join("cut.safetensors"),
    );
    encode(&usual, "flex", &[]).ok();
    // The message names what the smallest parts need; with that much it works, and with a byte less it does not.
    let refused = encode(&cut, "flex", &["--max-memory", "1M"]).fails();
    assert!(
        refused.contains("--max-memory allows 1.00 MiB"),
        "{refused}"
    );
    assert_eq!(entries(dir.path()), ["usual.safetensors"]);
    let needed = needed_mib(&refused);
    encode(
        &cut,
        "flex",
        &["--max-memory", &format!("{}M", needed + 0.01)],
    )
    .ok();
    let [usual, cut] = [usual, cut].map(|file| read_safetensors(&file, "embeddings"));
    assert_eq!((&usual.shape, &usual.grids), (&cut.shape, &cut.grids));
    let distance = usual
        .values
        .iter()
        .zip(&cut.values)
        .map(|(a, b)| (a - b).abs());
    assert!(distance.fold(0.0, f32::max) < 1e-4);
    let less = encode(
        &dir.path().join("less.npy"),
        "flex",
        &["--max-memory", &format!("{}M", needed - 0.01)],
    );
    // The largest input is named, because the others would fit.
    let named = format!("{}: needs at least", image("chelsea.png").display());
    let refused = less.fails();
    assert!(refused.starts_with(&named), "{refused}");
}

#[test]
fn a_later_input_is_refused_before_the_first_is_encoded() {
    let dir = tempfile::tempdir().unwrap();
    let large = dir.path().join("large.png");
    ::image::RgbImage::new(2000, 1500).save(&large).unwrap();
    let small = image("rgb-60x83.png");
    let options = ["--max-memory", "100M", "-v"];
    let [small, large] = [&small, &large].map(|path| path.to_str().unwrap());
    let run = glm4v([&["encode", small, large], &options[..]].concat());
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(!run.stderr.contains("loaded"), "{run:?}");
    assert!(run.stderr.contains("allows 100.00 MiB"), "{run:?}");
    let named = format!("{large}: needs at least");
    assert!(run.stderr.contains(&named), "{run:?}");
}

#[test]
fn memory_that_is_not_a_number_is_a_wrong_command_line() {
    for memory in ["0", "4X", "much"] {
        let error = glm4v(["plan", "1x1", "--max-memory", memory]).misused();
        assert!(error.contains("as in 900M or 4G"), "{error}");
    }
}

/// The devices need not exist on this machine.
#[test]
fn several_devices_share_the_work() {
    let plan = |device: &str| {
        plan(&[
            "640x360",
            "640x360x32",
            "--preset",
            "medium",
            "--device",
            device,
        ])
    };
    let (one, two) = (plan("cuda:0"), plan("cuda:0,cuda:1"));
    let bytes = |json: &serde_json::Value, of: &str| json["bytes"][of].as_u64().unwrap();
    assert_eq!(bytes(&one, "weights"), bytes(&two, "weights"));
    let own = |json| bytes(json, "device") - bytes(json, "weights");
    assert!(own(&two) * 10 < own(&one) * 9, "{one}, {two}");
    assert_eq!(two["device"]["spec"], "cuda:0,cuda:1");
    assert_eq!(plan("cuda:all")["bytes"], one["bytes"]);
}
