//! Kernels of our own for GPUs. burn has no single operation for these steps: as chains of its operations, each would read and
//! write all rows many times.
//!
//! Each function returns `None` where the kernel cannot run: on a CPU backend, for a layout that it does not read, and where another
//! crate of the build has turned burn's `fusion` on. The caller then uses burn's operations.

#[cfg(feature = "gpu")]
mod gate;
#[cfg(feature = "gpu")]
mod heads;
#[cfg(feature = "gpu")]
mod reduce;
#[cfg(feature = "gpu")]
mod rms_norm;
#[cfg(feature = "gpu")]
mod softmax;
#[cfg(not(feature = "gpu"))]
mod without_gpu;

#[cfg(feature = "gpu")]
pub(crate) use self::{gate::gate, heads::heads, rms_norm::rms_norm, softmax::softmax};
#[cfg(feature = "gpu")]
pub(crate) use crate::primitive::runs_on;
#[cfg(not(feature = "gpu"))]
pub(crate) use without_gpu::{gate, heads, rms_norm, runs_on, softmax};
