//! Pictures as JavaScript has them.

use std::fmt;

use glm4v::image::{DynamicImage, RgbImage, RgbaImage};
use glm4v::{OpenOptions, PreprocessError, decode};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

/// Why there are no pixels.
#[derive(Debug)]
pub(crate) enum PixelsError {
    Refused(PreprocessError),
    Size {
        width: u32,
        height: u32,
        found: usize,
    },
    Kind(JsValue),
    /// What the caller's function threw.
    Thrown(JsValue),
}

/// The picture in the bytes of a file, or of an object like `ImageData`.
pub(crate) fn picture(value: JsValue) -> Result<DynamicImage, PixelsError> {
    if let Some(bytes) = value.dyn_ref::<Uint8Array>() {
        return Ok(decode(&bytes.to_vec(), &OpenOptions::default())?);
    }
    let field = |name: &str| Reflect::get(&value, &name.into()).unwrap_or_default();
    let size = |name| field(name).as_f64().map(|size| size as u32);
    let (Some(width), Some(height)) = (size("width"), size("height")) else {
        return Err(PixelsError::Kind(value));
    };
    let rgba = Uint8Array::new(&field("data")).to_vec();
    Ok(DynamicImage::ImageRgb8(rgb(rgba, width, height)?))
}

/// Without alpha, as Pillow's `convert("RGB")`.
pub(crate) fn rgb(rgba: Vec<u8>, width: u32, height: u32) -> Result<RgbImage, PixelsError> {
    let found = rgba.len();
    let size = PixelsError::Size {
        width,
        height,
        found,
    };
    if found as u64 != 4 * u64::from(width) * u64::from(height) {
        return Err(size);
    }
    let picture = RgbaImage::from_raw(width, height, rgba).ok_or(size)?;
    Ok(DynamicImage::ImageRgba8(picture).into_rgb8())
}

impl From<PreprocessError> for PixelsError {
    fn from(error: PreprocessError) -> Self {
        Self::Refused(error)
    }
}

impl PixelsError {
    /// The message, which says which picture of a batch it is about.
    pub(crate) fn of_picture(self, index: usize, count: usize) -> JsError {
        match count {
            1 => self.into(),
            _ => JsError::new(&format!(
                "picture {index} of {count}, counted from 0: {self}"
            )),
        }
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
                let expected = 4 * u64::from(*width) * u64::from(*height);
                write!(
                    f,
                    "pixels of {width}×{height}: expected {expected} bytes of RGBA, found {found}"
                )
            }
            Self::Kind(value) => write!(
                f,
                "a picture: expected a Uint8Array or {{ data, width, height }}, found {value:?}"
            ),
            Self::Thrown(error) => write!(f, "a frame cannot be had: {error:?}"),
        }
    }
}

impl From<PixelsError> for JsError {
    fn from(error: PixelsError) -> Self {
        Self::new(&error.to_string())
    }
}
