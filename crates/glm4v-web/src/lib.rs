//! The GLM-V vision encoder for JavaScript: a thin layer of wasm-bindgen over the facade crate `glm4v`.
//!
//! It is meant for a Web Worker: nothing here waits but the promises, yet preprocessing and, on the CPU, the tower keep
//! their thread busy. The hand-written modules in `js/` put it there, read weights from networks and files, and are the
//! package's public face; docs/web.md describes it.
#![cfg(any(target_arch = "wasm32", feature = "host"))]

mod device;
mod encoder;
mod failures;
mod js;
mod loader;
mod pixels;
mod start;

pub use device::Device;
pub use encoder::Encoder;
pub use loader::Loader;

use wasm_bindgen::prelude::*;

/// The presets that [`Encoder::random`] knows.
#[wasm_bindgen]
#[must_use]
pub fn presets() -> Vec<String> {
    glm4v::Preset::ALL.iter().map(ToString::to_string).collect()
}

/// The package's version.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Red, green and blue for each row of `width` values: where it lies along the three directions in which the rows differ
/// most.
///
/// # Errors
/// For fewer than three rows, and values that are not finite.
#[wasm_bindgen]
pub fn colours(embeddings: Vec<f32>, width: usize) -> Result<Vec<u8>, JsError> {
    const COMPONENTS: usize = 3;
    let rows =
        ndarray::Array2::from_shape_vec((embeddings.len() / width.max(1), width), embeddings)?;
    if rows.nrows() < COMPONENTS || width < COMPONENTS {
        let found = rows.nrows();
        return Err(JsError::new(&format!(
            "expected at least {COMPONENTS} tokens to tell apart, found {found}"
        )));
    }
    if !rows.iter().all(|value| value.is_finite()) {
        return Err(JsError::new(
            "some values are infinite or not a number: there is nothing to draw",
        ));
    }
    let components = glm4v::principal_components(rows.view(), COMPONENTS);
    Ok(glm4v::colours(components.view()).into_flattened())
}
