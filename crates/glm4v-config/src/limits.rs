use serde::{Deserialize, Serialize};

use crate::json;

/// How many pixels a resized image may have. For a video, the pixels of all frames count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeLimits {
    /// Minimum number of pixels, despite its name.
    #[serde(deserialize_with = "json::whole")]
    pub shortest_edge: usize,
    /// Maximum number of pixels, despite its name.
    #[serde(deserialize_with = "json::whole")]
    pub longest_edge: usize,
}

/// How many tokens an image may have. For a video, the tokens of all temporal patches count.
///
/// With a `patch_expand_factor` of N, the limits count blocks of N² tokens, as transformers does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLimits {
    /// Minimum number of tokens.
    #[serde(deserialize_with = "json::whole")]
    pub min_image_tokens: usize,
    /// Maximum number of tokens.
    #[serde(deserialize_with = "json::whole")]
    pub max_image_tokens: usize,
}
