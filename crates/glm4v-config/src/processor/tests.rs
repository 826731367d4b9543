use super::*;

#[test]
fn limits_are_an_object() {
    for (size, found) in [("[56, 84]", "an array"), ("56", "a number")] {
        let text = format!(r#"{{"size": {size}}}"#);
        let message = ImageProcessorConfig::from_json(&text).unwrap_err();
        let expected = format!("field `size`: expected a JSON object, found {found}");
        assert_eq!(message.to_string(), expected);
    }
    let text = r#"{"size": {"shortest_edge": 12544.0, "longest_edge": 120000.0}}"#;
    let config = ImageProcessorConfig::from_json(text).unwrap();
    assert_eq!(
        (config.size.shortest_edge, config.size.longest_edge),
        (12_544, 120_000)
    );
}

#[test]
fn absent_fields_are_the_references_defaults() {
    let image = ImageProcessorConfig::from_json("{}").unwrap();
    assert_eq!(image.size.longest_edge, 11_760_000);
    let video = VideoProcessorConfig::from_json("{}").unwrap();
    assert_eq!(video.frames.size.longest_edge, 47_040_000);
    assert_eq!(video, VideoProcessorConfig::default());
    for (rule, class) in [
        ("Glm46VVideoProcessor", ProcessorClass::Glm46v),
        ("GlmgaVideoProcessor", ProcessorClass::Glmga),
        ("Glm5NextVideoProcessor", ProcessorClass::Glm5Next),
    ] {
        let text = format!(r#"{{"video_processor_type": "{rule}", "max_image_size": {{}}}}"#);
        let video = VideoProcessorConfig::from_json(&text).unwrap();
        assert_eq!(video, VideoProcessorConfig::default_of(class));
    }
}

#[test]
fn fields_of_another_class_are_ignored() {
    let fields = r#""min_image_tokens": 4, "max_image_tokens": 50, "patch_expand_factor": 2, "max_frames": 9"#;
    let read = |class: &str| {
        let text = format!(
            r#"{{"image_processor_type": "{class}ImageProcessor", "size": {{"longest_edge": 1}}, {fields}}}"#
        );
        VideoProcessorConfig::from_json(&text)
    };
    let config = read("Glm5Next").unwrap();
    let tokens = TokenLimits {
        min_image_tokens: 4,
        max_image_tokens: 50,
    };
    assert_eq!(config.frames.tokens, Some(tokens));
    assert_eq!(
        (config.frames.factor(), config.sampling.max_frames),
        (56, Some(9))
    );
    assert!(read("Glm46V").unwrap_err().to_string().contains("`size"));
    let text = format!(r#"{{"image_processor_type": "Glm46VImageProcessor", {fields}}}"#);
    let config = VideoProcessorConfig::from_json(&text).unwrap();
    assert_eq!(
        config,
        VideoProcessorConfig::default_of(ProcessorClass::Glm46v)
    );
}

#[test]
fn one_number_is_for_all_channels() {
    let text = r#"{"image_mean": 0.5, "image_std": [0.25], "resample": "bilinear"}"#;
    let config = ImageProcessorConfig::from_json(text).unwrap();
    let expected = ImageProcessorConfig {
        image_mean: [0.5; 3],
        image_std: [0.25; 3],
        resample: Resample::Bilinear,
        ..ImageProcessorConfig::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn null_is_read_as_in_transformers() {
    let text =
        r#"{"do_normalize": null, "image_mean": null, "do_convert_rgb": null, "other": null}"#;
    let config = ImageProcessorConfig::from_json(text).unwrap();
    let expected = ImageProcessorConfig {
        do_normalize: false,
        do_convert_rgb: false,
        ..ImageProcessorConfig::default()
    };
    assert_eq!(config, expected);
    for text in [r#"{"image_mean": null}"#, r#"{"patch_size": null}"#] {
        assert!(ImageProcessorConfig::from_json(text).is_err());
    }
    let read = |text| VideoProcessorConfig::from_json(text).map(|config| config.sampling);
    let text = r#"{"video_processor_type": null, "max_duration": Infinity}"#;
    assert_eq!(read(text).unwrap().max_duration, f64::INFINITY);
    assert!(
        !read(r#"{"do_sample_frames": null, "fps": null}"#)
            .unwrap()
            .do_sample_frames
    );
    assert!(read(r#"{"fps": null}"#).is_err());
    assert!(read(r#"{"video_processor_type": "Glm46VVideoProcessor", "fps": null}"#).is_ok());
    let text = r#"{"video_processor_type": "Glm5NextVideoProcessor", "max_frames": null}"#;
    assert!(read(text).is_err());
}

#[test]
fn present_fields_are_read_and_unknown_ones_ignored() {
    let config = ImageProcessorConfig::from_json(
        r#"{"size": {"shortest_edge": 1, "longest_edge": 9}, "merge_size": 3, "patch_size": 16,
                "image_processor_type": "Glm4vImageProcessor", "resample": 3, "do_rescale": false}"#,
    )
    .unwrap();
    assert_eq!(config.factor(), 48);
    assert!(!config.do_rescale);
}

#[test]
fn refusals_name_the_field() {
    for (json, field) in [
        (r#"{"resample": 1}"#, "resample"),
        (r#"{"image_mean": [0.5, 0.5]}"#, "image_mean"),
        (r#"{"image_std": NaN}"#, "image_std"),
        (r#"{"rescale_factor": Infinity}"#, "rescale_factor"),
        (
            r#"{"image_processor_type": "Other"}"#,
            "image_processor_type",
        ),
        (
            r#"{"image_processor_type": "Glm5NextImageProcessor", "max_image_tokens": 0}"#,
            "max_image_tokens",
        ),
        (
            r#"{"image_processor_type": "GlmgaImageProcessor", "patch_expand_factor": 0}"#,
            "patch_expand_factor",
        ),
        (r#"{"image_std": [1, 0, 1]}"#, "image_std"),
        (r#"{"merge_size": 0}"#, "merge_size"),
        (r#"{"rescale_factor": 0}"#, "rescale_factor"),
        (
            r#"{"size": {"shortest_edge": 9, "longest_edge": 0}}"#,
            "size.longest_edge",
        ),
        (r#"{"size": {"height": 9}}"#, "size"),
    ] {
        let message = ImageProcessorConfig::from_json(json)
            .unwrap_err()
            .to_string();
        assert!(message.contains(&format!("`{field}")), "{json}: {message}");
    }
    let message = VideoProcessorConfig::from_json(r#"{"fps": 0}"#).unwrap_err();
    assert!(message.to_string().contains("`fps`"));
    let message = VideoProcessorConfig::from_json(r#"{"video_processor_type": "Other"}"#)
        .unwrap_err()
        .to_string();
    for part in [
        "`video_processor_type`",
        "`Other`",
        "`Glm4vVideoProcessor`",
        "`Glm46VVideoProcessor`",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_video_configuration_is_read_as_it_was_written() {
    for (class, name) in [
        (ProcessorClass::Glm46v, "Glm46VVideoProcessor"),
        (ProcessorClass::Glm5Next, "Glm5NextVideoProcessor"),
    ] {
        let mut config = VideoProcessorConfig::default_of(class);
        config.sampling.fps = 0.5;
        config.frames.temporal_patch_size = 4;
        let text = serde_json::to_string(&config).unwrap();
        assert!(text.contains(&format!(r#""video_processor_type":"{name}""#)));
        assert_eq!(VideoProcessorConfig::from_json(&text).unwrap(), config);
    }
}
