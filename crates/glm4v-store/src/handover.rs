//! Embeddings for programs that run the language model.

pub mod openai;
pub mod vllm_cache;

mod npy;
