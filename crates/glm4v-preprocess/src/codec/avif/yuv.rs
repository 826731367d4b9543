//! The planes of a frame to RGB.

use image::RgbImage;
use re_rav1d::dav1d::PixelLayout;

use super::alpha::{Alpha, divide, rounded};
use super::coding::{Coding, Transform};
use super::frame::Frame;
use super::integer::{self, Factors, cuts_alpha, eight_bits};
use super::{failed, float, unsupported};
use crate::PreprocessError;

/// A frame as RGB, by libyuv's arithmetic or by libavif's own, as libavif chooses.
pub(super) fn rgb(
    frame: &Frame,
    coding: Coding,
    alpha: &Alpha,
) -> Result<RgbImage, PreprocessError> {
    let transform = coding
        .transform(frame.bits)
        .ok_or_else(|| unsupported(&format!("images with the matrix {}", coding.matrix)))?;
    let is_halved = matches!(frame.layout, PixelLayout::I420 | PixelLayout::I422);
    if transform == Transform::Identity && is_halved {
        return Err(unsupported("images with subsampled RGB"));
    }
    let planes = if frame.layout == PixelLayout::I400 {
        1
    } else {
        3
    };
    if frame.planes.len() != planes {
        return Err(failed("an unknown number of planes"));
    }
    let is_gray = planes == 1;
    let has_alpha = !matches!(alpha, Alpha::Absent);
    let factors = Factors::of(coding, is_gray);
    // Gray without alpha stays gray, which libyuv does not convert.
    let factors = factors.filter(|_| has_alpha || !is_gray);
    let is_slow = factors.is_none() && float::divides_alpha(frame, coding, transform);
    let mut pixels = match (factors, alpha) {
        (Some(factors), _) => integer::pixels(frame, factors, has_alpha),
        (None, Alpha::Multiplied(plane)) if is_slow => {
            float::pixels(frame, coding, transform, Some(plane))
        }
        (None, Alpha::Absent | Alpha::Straight | Alpha::Multiplied(_)) => {
            float::pixels(frame, coding, transform, None)
        }
    };
    if let Alpha::Multiplied(plane) = alpha
        && !is_slow
    {
        let is_cut = factors.is_some() && cuts_alpha(frame);
        let bytes = plane.samples.iter().map(|&sample| match is_cut {
            true => eight_bits(sample, frame.bits),
            false => rounded(sample, frame.bits),
        });
        divide(&mut pixels, bytes);
    }
    let (width, height) = (frame.size.0 as u32, frame.size.1 as u32);
    Ok(RgbImage::from_raw(width, height, pixels).expect("every pixel was converted"))
}
