//! A cache of embeddings, by the content of their inputs.

mod entry;
mod evict;
mod key;
mod store;

pub use entry::CachedEmbedding;
pub use key::{Key, KeyParts};
pub use store::{CacheWarning, EmbeddingCache};
