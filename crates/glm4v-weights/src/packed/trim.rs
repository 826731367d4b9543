//! Free memory goes back to the system.
#![allow(unsafe_code)]

/// Gives free memory of this process back to the system. glibc keeps what lies between blocks that are in use: after the weights
/// of a tower are freed, a fifth of their memory.
pub(super) fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the function takes no pointer, may be called at any time from any thread, and changes no block that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
