//! Limits of the size of an input, as JavaScript passes them.

use glm4v::config::{ConfigError, ImageProcessorConfig, SizeBudget};
use js_sys::Reflect;
use wasm_bindgen::prelude::*;

/// The limits of an object with `minTokens` and `maxTokens`, or with `minPixels` and `maxPixels`. `js/budget.js` checks
/// that they are whole numbers, and that the object does not have both kinds.
pub(crate) fn budget(limits: &JsValue) -> Option<SizeBudget> {
    let field = |name: &str| {
        let number = Reflect::get(limits, &name.into()).ok()?.as_f64()?;
        Some(number as usize)
    };
    let (tokens, pixels) = (
        (field("minTokens"), field("maxTokens")),
        (field("minPixels"), field("maxPixels")),
    );
    match (tokens, pixels) {
        ((None, None), (None, None)) => None,
        ((None, None), (min, max)) => Some(SizeBudget::Pixels { min, max }),
        ((min, max), _) => Some(SizeBudget::Tokens { min, max }),
    }
}

/// A configuration with these limits, if there are any.
pub(crate) fn within(
    config: &ImageProcessorConfig,
    budget: Option<SizeBudget>,
) -> Result<ImageProcessorConfig, ConfigError> {
    match budget {
        None => Ok(config.clone()),
        Some(budget) => config.within(budget),
    }
}
