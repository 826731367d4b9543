//! `config.json` and the files of the processors.
#![no_main]

use glm4v_config::{ProcessorFiles, SizeBudget, VisionConfig};
use glm4v_fuzz::parts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        let [config, nested, image, video] = parts(data).map(String::from_utf8_lossy);
        return check(&config, &[&nested, &image, &video]);
    };
    check(text, &[text, "", ""]);
    check("{}", &["", text, ""]);
    check("{}", &["", "", text]);
});

fn check(config: &str, texts: &[&str; 3]) {
    let vision = VisionConfig::from_json(config);
    if let Ok(vision) = &vision {
        let parameters = vision.parameters();
        let sum: u64 = parameters
            .iter()
            .map(|parameter| parameter.num_elements())
            .sum();
        assert_eq!(sum, vision.num_parameters());
        let written = serde_json::to_string(vision).expect("a configuration is JSON");
        assert_eq!(&VisionConfig::from_json(&written).expect(&written), vision);
    }
    let mut files = ProcessorFiles::default().of_model(config);
    for (name, text) in ProcessorFiles::NAMES.into_iter().zip(texts) {
        if !text.is_empty() {
            files = files.with(name, *text);
        }
    }
    if let Ok(image) = files.image() {
        image.validate().expect("it was validated");
        assert!(image.factor() > 0);
        for budget in [
            SizeBudget::Tokens {
                min: Some(3),
                max: Some(50),
            },
            SizeBudget::Pixels {
                min: None,
                max: Some(usize::MAX),
            },
        ] {
            let _ = image.within(budget);
        }
    }
    if let Ok(video) = files.video() {
        video.validate().expect("it was validated");
    }
}
