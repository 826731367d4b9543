use std::fmt;

/// A place in the tower whose output can be observed; displayed as the module's key in the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Patch rows projected to the hidden width, `[patches, hidden_size]`.
    PatchEmbed,
    /// The norm after it, `[patches, hidden_size]`.
    PostConvLayernorm,
    /// The position table added, `[patches, hidden_size]`.
    Embeddings,
    /// Output of one block, `[patches, hidden_size]`.
    Block(usize),
    /// The norm after the blocks, `[patches, hidden_size]`.
    PostLayernorm,
    /// One row a token (transformers' `last_hidden_state`), `[tokens, out_hidden_size]`.
    Downsample,
    /// The embeddings (transformers' `pooler_output`), `[tokens, out_hidden_size]`.
    Merger,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PatchEmbed => f.write_str("patch_embed"),
            Self::PostConvLayernorm => f.write_str("post_conv_layernorm"),
            Self::Embeddings => f.write_str("embeddings"),
            Self::Block(index) => write!(f, "blocks.{index}"),
            Self::PostLayernorm => f.write_str("post_layernorm"),
            Self::Downsample => f.write_str("downsample"),
            Self::Merger => f.write_str("merger"),
        }
    }
}
