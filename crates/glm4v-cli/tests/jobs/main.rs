//! Jobs: `glm4v encode … -o DIR/`.

mod common;
mod failures;
#[cfg(target_os = "linux")]
mod full_disk;
mod inputs;
mod interruptions;
mod options;
mod results;
#[path = "../support/mod.rs"]
mod support;
