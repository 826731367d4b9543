//! What `glm4v._inputs` makes of an input, as a source of the library.

use std::path::PathBuf;

use glm4v::InputSource;
use glm4v::image::{DynamicImage, GrayImage, RgbImage};
use glm4v::preprocess::VideoMetadata;
use numpy::{PyReadonlyArray3, PyReadonlyArray4};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;

/// The source of a tuple: `("path", path)`, `("bytes", name, bytes)`, `("image", array)` with uint8 `[h, w, 1 | 3]`, or
/// `("frames", array, fps, duration)` with uint8 `[t, h, w, 3]`.
pub(crate) fn source(tuple: &Bound<'_, PyAny>) -> PyResult<InputSource> {
    let kind: String = tuple.get_item(0)?.extract()?;
    let value = tuple.get_item(1)?;
    match &kind[..] {
        "path" => Ok(value.extract::<PathBuf>()?.into()),
        "bytes" => Ok(InputSource::Bytes {
            name: value.extract()?,
            bytes: tuple.get_item(2)?.cast::<PyBytes>()?.as_bytes().to_vec(),
        }),
        "image" => image(&value),
        "frames" => {
            let (fps, duration) = (tuple.get_item(2)?, tuple.get_item(3)?);
            frames(&value, fps.extract()?, duration.extract()?)
        }
        _ => Err(errors::refused(tuple.py(), format!("{kind} is no source"))),
    }
}

fn image(array: &Bound<'_, PyAny>) -> PyResult<InputSource> {
    let array: PyReadonlyArray3<'_, u8> = array.extract()?;
    let [height, width, channels] = [0, 1, 2].map(|axis| array.as_array().shape()[axis]);
    let (width, height, values) = (side(width)?, side(height)?, array.as_slice()?.to_vec());
    let image = match channels {
        1 => GrayImage::from_raw(width, height, values).map(DynamicImage::from),
        3 => RgbImage::from_raw(width, height, values).map(DynamicImage::from),
        _ => None,
    };
    let refuse = || {
        let message = format!("expected 1 or 3 channels, found {channels}");
        errors::refused(array.py(), message)
    };
    image.map(InputSource::from).ok_or_else(refuse)
}

fn frames(
    array: &Bound<'_, PyAny>,
    fps: Option<f64>,
    duration: Option<f64>,
) -> PyResult<InputSource> {
    let array: PyReadonlyArray4<'_, u8> = array.extract()?;
    let [count, height, width, channels] = [0, 1, 2, 3].map(|axis| array.as_array().shape()[axis]);
    let (width, height, values) = (side(width)?, side(height)?, array.as_slice()?);
    let frame_len = values.len().checked_div(count).unwrap_or(0);
    let frames = (0..count).map(|index| {
        let frame = values[index * frame_len..][..frame_len].to_vec();
        RgbImage::from_raw(width, height, frame)
    });
    let refuse = || {
        let message = format!("frames: expected 3 channels, found {channels}");
        errors::refused(array.py(), message)
    };
    Ok(InputSource::Frames {
        frames: frames
            .collect::<Option<_>>()
            .filter(|_| channels == 3)
            .ok_or_else(refuse)?,
        metadata: VideoMetadata {
            num_frames: count,
            fps,
            duration,
            frame_times: None,
        },
    })
}

fn side(pixels: usize) -> PyResult<u32> {
    Ok(u32::try_from(pixels)?)
}
