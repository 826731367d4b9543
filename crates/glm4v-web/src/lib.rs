//! The GLM-V vision encoder for JavaScript: a thin layer of wasm-bindgen over the facade crate `glm4v`.
//!
//! The module is made for a Web Worker. Only promises wait without blocking: preprocessing, and the tower on the CPU, keep
//! their thread busy. The modules in `js/` start the worker, read weights from networks and files, and are the public API of
//! the package. docs/web.md describes them.
#![cfg(any(target_arch = "wasm32", feature = "host"))]

mod budget;
mod device;
mod encoded;
mod encoder;
mod failures;
mod js;
mod loader;
mod pixels;
mod start;

pub use device::Device;
pub use encoder::Encoder;
pub use loader::Loader;

use glm4v::preprocess::ImageCodec;
use wasm_bindgen::prelude::*;

/// The names of the presets that [`Encoder::random`] accepts.
#[wasm_bindgen]
#[must_use]
pub fn presets() -> Vec<String> {
    glm4v::Preset::ALL.iter().map(ToString::to_string).collect()
}

/// The names of the image formats that the module decodes.
#[wasm_bindgen(js_name = imageFormats)]
#[must_use]
pub fn image_formats() -> Vec<String> {
    ImageCodec::ALL.map(|codec| codec.name().to_owned()).into()
}

/// The package's version.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Red, green and blue for each row of `width` values, from the first three principal components of all rows.
///
/// # Errors
/// For fewer than three rows, and for values that are not finite.
#[wasm_bindgen]
pub fn colors(embeddings: Vec<f32>, width: usize) -> Result<Vec<u8>, JsError> {
    const COMPONENTS: usize = 3;
    let rows =
        ndarray::Array2::from_shape_vec((embeddings.len() / width.max(1), width), embeddings)?;
    if rows.nrows() < COMPONENTS || width < COMPONENTS {
        let found = rows.nrows();
        return Err(JsError::new(&format!(
            "colors: expected at least {COMPONENTS} tokens of {COMPONENTS} values, found {found} of {width}"
        )));
    }
    if !rows.iter().all(|value| value.is_finite()) {
        return Err(JsError::new(
            "colors: some values are infinite or not a number",
        ));
    }
    let components = glm4v::viz::principal_components(rows.view(), COMPONENTS);
    Ok(glm4v::viz::colors(components.view()).into_flattened())
}
