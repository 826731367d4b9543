//! Stores the embeddings of many inputs so that an interruption loses nothing.
//!
//! - [`Job`] fills a directory with shards in Parquet or safetensors. It continues after an interruption, and writes the same
//!   bytes as without one. Finished batches survive any end of the process. `docs/job-format.md` of the project lists the files and columns.
//! - [`Split`] divides a job among several processes.
//! - [`ParquetFile`] is one file with the columns of such a shard, for embeddings that need no job.
//! - [`EmbeddingCache`] finds embeddings that were computed before, by the content of their input.
//! - [`handover`] writes embeddings in the forms in which programs that run the language model read them.
//!
//! Nothing here computes embeddings: they arrive as slices of f32.
//!
//! ```
//! use glm4v_store::{OutputDtype, Pool, Settings, ShardFormat, Split};
//!
//! let settings = Settings {
//!     version: "0.1.0".into(),
//!     model: "zai-org/GLM-4.1V-9B-Thinking".into(),
//!     fingerprint: "9c1d".into(),
//!     width: 4096,
//!     dtype: "f32".into(),
//!     kernels: "avx512".into(),
//!     device: "cpu".into(),
//!     options: [("max_tokens".into(), 1024.into())].into(),
//!     batch_limits: [("max_patches".into(), 16384.into())].into(),
//!     format: ShardFormat::Parquet,
//!     output_dtype: OutputDtype::F16,
//!     pool: Pool::None,
//!     shard_bytes: Settings::SHARD_BYTES,
//!     shard_inputs: Settings::SHARD_INPUTS,
//!     split: Split::WHOLE,
//! };
//! assert_eq!(settings.format.name(), "parquet");
//! ```

mod cache;
mod difference;
mod disk;
mod dtype;
mod error;
pub mod handover;
mod hashing;
mod input_changes;
mod job;
mod new_file;
mod parquet_file;
mod pool;
mod record;
mod settings;
mod shard;
mod split;
mod tensor_file;

pub use cache::{CacheWarning, CachedEmbedding, EmbeddingCache, Key, KeyParts};
pub use difference::Difference;
pub use dtype::OutputDtype;
pub use error::StoreError;
pub use glm4v_config::GridThw;
pub use input_changes::{InputChanges, NamedInputs};
pub use job::{Job, StoredInputs, Summary};
pub use parquet_file::{ParquetFile, ParquetOptions};
pub use pool::Pool;
pub use record::{Encoded, Record, VideoInfo};
pub use settings::Settings;
pub use shard::ShardFormat;
pub use split::Split;
