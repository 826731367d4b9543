//! Images as JavaScript passes them.

use std::fmt;

use glm4v::InputSource;
use glm4v::image::{DynamicImage, RgbImage, RgbaImage};
use glm4v::preprocess::PreprocessError;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

/// Why an image or a frame has no pixels.
#[derive(Debug)]
pub(crate) enum PixelsError {
    /// The video was refused.
    Refused(PreprocessError),
    /// The number of bytes does not match the size.
    Size {
        width: u32,
        height: u32,
        found: usize,
    },
    /// A value of another type.
    Kind(JsValue),
    /// An exception of the function that returns a frame.
    Thrown(JsValue),
}

/// The bytes of an image file, called `name` in errors, or the pixels of an object like `ImageData`.
pub(crate) fn source(value: &JsValue, name: String) -> Result<InputSource, PixelsError> {
    if let Some(bytes) = value.dyn_ref::<Uint8Array>() {
        let bytes = bytes.to_vec();
        return Ok(InputSource::Bytes { name, bytes });
    }
    let field = |name: &str| Reflect::get(value, &name.into()).unwrap_or_default();
    let size = |name| field(name).as_f64().map(|size| size as u32);
    let (Some(width), Some(height)) = (size("width"), size("height")) else {
        return Err(PixelsError::Kind(value.clone()));
    };
    let rgba = Uint8Array::new(&field("data")).to_vec();
    Ok(DynamicImage::ImageRgb8(rgb(rgba, width, height)?).into())
}

/// Drops alpha, as Pillow's `convert("RGB")` does.
pub(crate) fn rgb(rgba: Vec<u8>, width: u32, height: u32) -> Result<RgbImage, PixelsError> {
    let found = rgba.len();
    let size = PixelsError::Size {
        width,
        height,
        found,
    };
    if found as u64 != rgba_bytes(width, height) {
        return Err(size);
    }
    let image = RgbaImage::from_raw(width, height, rgba).ok_or(size)?;
    Ok(DynamicImage::ImageRgba8(image).into_rgb8())
}

fn rgba_bytes(width: u32, height: u32) -> u64 {
    4 * u64::from(width) * u64::from(height)
}

impl From<PreprocessError> for PixelsError {
    fn from(error: PreprocessError) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for PixelsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Size {
                width,
                height,
                found,
            } => {
                let expected = rgba_bytes(*width, *height);
                write!(
                    f,
                    "pixels of {width}×{height}: expected {expected} bytes of RGBA, found {found}"
                )
            }
            Self::Kind(value) => write!(
                f,
                "expected a Uint8Array or {{ data, width, height }}, found {value:?}"
            ),
            Self::Thrown(error) => write!(f, "a frame could not be read: {error:?}"),
        }
    }
}

impl From<PixelsError> for JsError {
    fn from(error: PixelsError) -> Self {
        Self::new(&error.to_string())
    }
}
