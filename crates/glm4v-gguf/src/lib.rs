//! GGUF files, and the vision tower of GLM-V in llama.cpp's `mmproj` files.
//!
//! - [`Header`] is the metadata and the list of tensors of a file. It is validated while it is read.
//! - [`Writer`] writes a file, tensor after tensor, from slices of values.
//! - [`Format`] converts values to the stored blocks and back, to the bit as llama.cpp does.
//! - [`Mmproj`] is the tower's configuration in the metadata.
//! - [`stored_as`] gives the GGUF names of a parameter, and [`Comparison`] finds all parameters in a file.
//!
//! ```
//! use glm4v_gguf::{Format, Header, NewTensor, Writer};
//!
//! let tensor = NewTensor { name: "v.post_ln.weight".into(), shape: vec![3], format: Format::F32 };
//! let metadata = [("general.architecture".to_owned(), "clip".into())];
//! let mut file = Vec::new();
//! let mut writer = Writer::new(&mut file, &metadata, &[tensor])?;
//! writer.values(&[1.0, 2.0, 3.0])?;
//! writer.finish()?;
//!
//! let header = Header::read(&file[..], file.len() as u64, "memory")?;
//! assert_eq!(header.tensors[0].shape, [3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod error;
mod fields;
mod format;
mod header;
mod keys;
mod metadata;
mod mmproj;
mod names;
mod projector;
mod read;
mod tensor_type;
mod value;
mod write;

pub use compare::{Comparison, Stored};
pub use error::GgufError;
pub use format::Format;
pub use header::{Header, TensorInfo};
pub use mmproj::Mmproj;
pub use names::{TowerTensor, stored_as};
pub use tensor_type::TensorType;
pub use value::{Array, Value};
pub use write::{NewTensor, Writer};

/// The first bytes of every GGUF file.
pub const MAGIC: [u8; 4] = *b"GGUF";

/// The alignment of tensors, if the metadata has no `general.alignment`.
const DEFAULT_ALIGNMENT: u32 = 32;
/// The metadata's key of the alignment.
const ALIGNMENT_KEY: &str = "general.alignment";

/// Text from a file, with control characters replaced. A terminal would obey them.
fn printable(text: &str) -> String {
    let plain = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(plain).collect()
}
