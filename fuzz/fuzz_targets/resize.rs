//! The sizes of resized images, beside a transcription of transformers' `smart_resize`.
#![no_main]

use glm4v_config::TokenLimits;
use glm4v_preprocess::{fit_within, smart_resize};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    frames: u16,
    height: u32,
    width: u32,
    small: bool,
    temporal_factor: u8,
    factor: u8,
    min: u32,
    max: u32,
}

/// Most pixels of an image.
const MOST_PIXELS: usize = 178_956_970;

fuzz_target!(|case: Case| {
    let side = |length: u32| {
        if case.small {
            length % 3000
        } else {
            length % (1 << 20)
        }
    };
    let [height, width] = [case.height, case.width].map(|length| side(length) as usize);
    if height * width > MOST_PIXELS {
        return;
    }
    let frames = case.frames as usize;
    let [temporal, factor] = [case.temporal_factor % 5, case.factor].map(usize::from);
    let [min, max] = [case.min as usize, case.max as usize];
    let valid = height > 0 && width > 0 && factor > 0 && temporal > 0;
    let found = smart_resize(frames, height, width, temporal, factor, min, max).ok();
    // The reference divides by zero at a maximum of 0.
    if max > 0 {
        let expected = valid
            .then(|| reference([frames, height, width], [temporal, factor], [min, max]))
            .flatten();
        assert_eq!(found, expected, "{case:?}");
    }
    if frames == 0 {
        return;
    }
    let [min, max] = [min, max].map(|limit| limit % 100_000);
    let limits = TokenLimits {
        min_image_tokens: min,
        max_image_tokens: max,
    };
    let found = fit_within(frames, height, width, temporal, factor, limits);
    let found = found.ok().map(|fit| (fit.canvas, fit.content));
    let expected = valid
        .then(|| reference_fit([frames, height, width], [temporal, factor], [min, max]))
        .flatten();
    assert_eq!(found, expected, "{case:?}");
});

/// Python's `round`: to the nearest, halves to even.
fn round(value: f64) -> i128 {
    value.round_ties_even() as i128
}

/// `smart_resize` of `image_processing_glm4v.py`, line by line.
fn reference(sizes: [usize; 3], factors: [usize; 2], limits: [usize; 2]) -> Option<(usize, usize)> {
    let [num_frames, mut height, mut width] = sizes.map(|size| size as i128);
    let [temporal_factor, factor] = factors.map(|factor| factor as i128);
    let [min_pixels, max_pixels] = limits.map(|limit| limit as i128);
    let f = |value: i128| value as f64;
    if num_frames < temporal_factor {
        return None;
    }
    if height < factor || width < factor {
        let scale = (f(factor) / f(height)).max(f(factor) / f(width));
        height = (f(height) * scale) as i128;
        width = (f(width) * scale) as i128;
    }
    if f(height.max(width)) / f(height.min(width)) > 200.0 {
        return None;
    }
    let mut h_bar = round(f(height) / f(factor)) * factor;
    let mut w_bar = round(f(width) / f(factor)) * factor;
    let t_bar = round(f(num_frames) / f(temporal_factor)) * temporal_factor;
    if t_bar * h_bar * w_bar > max_pixels {
        let beta = (f(num_frames * height * width) / f(max_pixels)).sqrt();
        h_bar = factor.max((f(height) / beta / f(factor)).floor() as i128 * factor);
        w_bar = factor.max((f(width) / beta / f(factor)).floor() as i128 * factor);
    } else if t_bar * h_bar * w_bar < min_pixels {
        let beta = (f(min_pixels) / f(num_frames * height * width)).sqrt();
        h_bar = (f(height) * beta / f(factor)).ceil() as i128 * factor;
        w_bar = (f(width) * beta / f(factor)).ceil() as i128 * factor;
    }
    Some((h_bar as usize, w_bar as usize))
}

type Fit = ((usize, usize), (usize, usize));

/// `smart_resize` and `resize` of `image_processing_glm5_next.py`, line by line.
fn reference_fit(sizes: [usize; 3], factors: [usize; 2], limits: [usize; 2]) -> Option<Fit> {
    let [num_frames, height, width] = sizes.map(|size| size as i128);
    let [temporal_factor, factor] = factors.map(|factor| factor as i128);
    let f = |value: i128| value as f64;
    let pixels_per_token = temporal_factor * factor * factor;
    let [min_pixels, max_pixels] = limits.map(|limit| limit as i128 * pixels_per_token);
    let align = |value: i128| (f(value) / f(factor)).ceil() as i128 * factor;

    let aligned_frames =
        temporal_factor.max(round(f(num_frames) / f(temporal_factor)) * temporal_factor);
    let (mut aligned_height, mut aligned_width) = (align(height), align(width));
    let mut budget = aligned_frames * aligned_height * aligned_width;
    if budget < min_pixels {
        let scale = (f(min_pixels) / f(num_frames * height * width)).sqrt();
        aligned_height = align(1_i128.max((f(height) * scale).ceil() as i128));
        aligned_width = align(1_i128.max((f(width) * scale).ceil() as i128));
        budget = aligned_frames * aligned_height * aligned_width;
    }
    if budget > max_pixels {
        if max_pixels < aligned_frames * factor * factor {
            return None;
        }
        let (mut low, mut high) = (1, height);
        (aligned_height, aligned_width) = (factor, factor);
        while low <= high {
            let content_height = (low + high) / 2;
            let content_width = 1_i128.max((f(width * content_height) / f(height)).floor() as i128);
            let candidate = (align(content_height), align(content_width));
            if aligned_frames * candidate.0 * candidate.1 <= max_pixels {
                (aligned_height, aligned_width) = candidate;
                low = content_height + 1;
            } else {
                high = content_height - 1;
            }
        }
    }
    let mut scale = (f(aligned_height) / f(height)).min(f(aligned_width) / f(width));
    if num_frames * height * width >= min_pixels {
        scale = scale.min(1.0);
    }
    let content =
        |side: i128, most: i128| 1_i128.max(most.min((f(side) * scale).floor() as i128)) as usize;
    let canvas = (aligned_height as usize, aligned_width as usize);
    Some((
        canvas,
        (
            content(height, aligned_height),
            content(width, aligned_width),
        ),
    ))
}
