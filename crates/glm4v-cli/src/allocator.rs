//! What the allocator keeps of freed memory.

/// Blocks of at least so many bytes go back to the system when they are freed. By default glibc raises this limit, up to 32 MiB,
/// whenever a larger block is freed. Then freed blocks that it kept were up to a fifth of the peak. A lower limit costs time,
/// because fresh memory is filled with zeros.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 4 << 20;

/// Makes the allocator give large blocks back when they are freed. The memory that `plan` predicts depends on it.
#[allow(unsafe_code)]
pub(crate) fn prepare() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the function takes numbers only, and locks the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
