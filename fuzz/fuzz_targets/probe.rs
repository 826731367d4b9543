//! What ffprobe and ffmpeg print about a video file.
#![no_main]

use glm4v_fuzz::parts;
use glm4v_preprocess::{VideoMetadata, fuzzing, sample_frames};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [streams, messages, packets, frames] = parts(data).map(String::from_utf8_lossy);
    let Ok(metadata) = fuzzing::probe(&streams, &messages, &packets, &frames) else {
        return;
    };
    // A video without frames or with an impossible rate is refused when it is opened.
    let metadata: VideoMetadata = metadata;
    if metadata.num_frames < 1000 {
        for preset in [
            glm4v_config::Preset::Glm41V9B,
            glm4v_config::Preset::Glm46VFlash,
        ] {
            let _ = sample_frames(&preset.video_processor(), &metadata);
        }
    }
});
