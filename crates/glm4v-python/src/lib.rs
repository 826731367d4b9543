//! The module `glm4v._native` of the Python package. It converts between Python and the crate `glm4v`, and does nothing else;
//! the classes that users see are written in Python, in `python/glm4v`.

mod content;
mod dlpack;
mod encoded;
mod encoder;
mod errors;
mod feed;
mod files;
mod items;
mod loader;
mod options;
mod processor;
mod program;
mod prompt;
mod source;
mod threads;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<encoder::Encoder>()?;
    module.add_class::<items::Items>()?;
    module.add_class::<files::ParquetFile>()?;
    module.add_class::<loader::Loader>()?;
    module.add_class::<processor::Processor>()?;
    module.add_function(wrap_pyfunction!(dlpack::bf16_capsule, module)?)?;
    module.add_function(wrap_pyfunction!(files::openai_part, module)?)?;
    module.add_function(wrap_pyfunction!(files::write_vllm_cache, module)?)?;
    module.add_function(wrap_pyfunction!(options::preset_config, module)?)?;
    module.add_function(wrap_pyfunction!(program::main, module)?)?;
    module.add_function(wrap_pyfunction!(prompt::image_prompt, module)?)?;
    module.add_function(wrap_pyfunction!(prompt::scatter, module)?)?;
    module.add_function(wrap_pyfunction!(threads::num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(threads::set_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(threads::panic, module)?)?;
    Ok(())
}
