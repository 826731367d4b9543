use std::path::Path;

use anyhow::Result;

/// Writes `glm4v_web.js`, its types and `glm4v_web_bg.wasm`.
#[cfg(feature = "web")]
pub(super) fn run(module: &Path, to: &Path) -> Result<()> {
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(true)
        .omit_default_module_path(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(to)
}

#[cfg(not(feature = "web"))]
pub(super) fn run(_: &Path, _: &Path) -> Result<()> {
    anyhow::bail!("xtask was built without its feature web")
}
