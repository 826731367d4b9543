//! The environment of libraries that write lines of their own on stderr.

use std::env;

use glm4v::devices::Backend;

const VARIABLE: &str = "XDG_RUNTIME_DIR";
const NOWHERE: &str = "/nonexistent";

/// Keeps libwayland silent. Mesa's layer for choosing a Vulkan device asks it for a display, and libwayland writes an error
/// if `XDG_RUNTIME_DIR` is missing. wgpu has no option against it, because it always enables the Wayland extension. With a
/// directory that does not exist, libwayland finds no display and says nothing.
///
/// It must be called while no other thread reads or writes the environment.
#[allow(unsafe_code)]
pub(crate) fn prepare() {
    if !cfg!(target_os = "linux") || !Backend::Wgpu.is_compiled() {
        return;
    }
    let set = env::var_os(VARIABLE).is_some_and(|dir| dir.as_encoded_bytes().starts_with(b"/"));
    if !set {
        // SAFETY: `run` calls this first, and its caller promises that no other thread uses the environment.
        unsafe { env::set_var(VARIABLE, NOWHERE) };
    }
}
