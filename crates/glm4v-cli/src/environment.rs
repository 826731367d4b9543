//! The environment of libraries that write lines of their own on stderr.

/// Keeps libwayland silent. Mesa's layer for choosing a Vulkan device asks it for a display, and libwayland writes an error
/// if `XDG_RUNTIME_DIR` is missing. wgpu has no option against it, because it always enables the Wayland extension. With a
/// directory that does not exist, libwayland finds no display and says nothing.
///
/// It must be called before any thread starts.
#[cfg(all(
    target_os = "linux",
    any(feature = "wgpu", feature = "vulkan", feature = "webgpu")
))]
#[allow(unsafe_code)]
pub(crate) fn prepare() {
    const VARIABLE: &str = "XDG_RUNTIME_DIR";
    const NOWHERE: &str = "/nonexistent";
    let set =
        std::env::var_os(VARIABLE).is_some_and(|dir| dir.as_encoded_bytes().starts_with(b"/"));
    if !set {
        // SAFETY: `main` calls this first, so that no other thread reads or writes the environment.
        unsafe { std::env::set_var(VARIABLE, NOWHERE) };
    }
}

#[cfg(not(all(
    target_os = "linux",
    any(feature = "wgpu", feature = "vulkan", feature = "webgpu")
)))]
pub(crate) fn prepare() {}
