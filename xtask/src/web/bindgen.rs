use std::path::Path;

use anyhow::Result;
use wasm_bindgen_cli_support::Bindgen;

/// Writes `glm4v_web.js`, its types and `glm4v_web_bg.wasm`.
pub(super) fn run(module: &Path, to: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(true)
        .generate(to)
}
