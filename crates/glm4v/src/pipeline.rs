//! From files to embeddings: sources are probed, read in batches, and encoded in order.
//!
//! [`VisionEncoder::encode_paths`](crate::VisionEncoder::encode_paths) runs the whole pipeline. Each step can also be used
//! alone: [`Inputs`] opens and reads, [`Batches`] prefetches, and
//! [`VisionEncoder::encode`](crate::VisionEncoder::encode) encodes one batch. A browser uses [`Inputs`] alone, because it has
//! neither threads nor blocking reads.
//!
//! ```
//! use glm4v::pipeline::Batches;
//! use glm4v::plan::InputSize;
//! use glm4v::{LoadOptions, Preset, VisionEncoder};
//! # let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/images");
//! # let paths = ["chelsea.png", "no-such.png"].map(|name| std::path::Path::new(dir).join(name));
//!
//! let encoder = VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default())?;
//! let mut inputs = encoder.inputs(paths);
//! let sizes: Vec<InputSize> = inputs.look_ahead().flatten().map(InputSize::from).collect();
//! println!("{} tokens", encoder.plan(&sizes)?.tokens); // before an image is decoded
//! for batch in Batches::new(inputs) {
//!     for input in batch.inputs {
//!         match input {
//!             Ok(info) => println!("{}: {} tokens", info.name, info.tokens),
//!             Err(error) => eprintln!("{error}"), // names the file
//!         }
//!     }
//!     if batch.patches.num_patches() > 0 {
//!         assert_eq!(encoder.encode_values(&batch.patches)?.len(), 176 * 256);
//!     }
//! }
//! # Ok::<(), glm4v::Error>(())
//! ```

mod batches;
mod inputs;
mod items;
mod source;

pub use self::batches::Batches;
pub use self::inputs::{InputInfo, Inputs, ReadBatch};
pub use self::items::{Item, Items};
pub use self::source::{Fetch, InputError, InputSource};
