use std::fmt;

use burn::tensor::Tensor;

/// A value of the tower that can be observed. It is displayed as the key of the module that computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Patch rows projected to the hidden width, `[patches, hidden_size]`.
    PatchEmbed,
    /// The norm after the projection, `[patches, hidden_size]`.
    PostConvLayernorm,
    /// The position table added, `[patches, hidden_size]`.
    Embeddings,
    /// The input of one block, `[patches, hidden_size]`. Closures do not receive it; see [`Observer`].
    BlockInput(usize),
    /// The output of one block, `[patches, hidden_size]`.
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
            Self::BlockInput(index) => write!(f, "blocks.{index}.input"),
            Self::Block(index) => write!(f, "blocks.{index}"),
            Self::PostLayernorm => f.write_str("post_layernorm"),
            Self::Downsample => f.write_str("downsample"),
            Self::Merger => f.write_str("merger"),
        }
    }
}

/// Receives values of the tower during a forward pass.
///
/// A closure `FnMut(Stage, Tensor<2>)` is an observer of every stage but [`Stage::BlockInput`].
///
/// An observer that needs the values must read them before it returns (`x.into_data().iter()`). On a GPU burn reads lazily,
/// and the tower's next operation may reuse the buffer.
pub trait Observer {
    /// Whether to observe `stage`. Other stages are neither copied nor brought into the order of the batch.
    fn wants(&self, stage: Stage) -> bool;

    /// Receives the rows of `stage`, in the order of the batch.
    fn observe(&mut self, stage: Stage, x: Tensor<2>);
}

impl<F: FnMut(Stage, Tensor<2>)> Observer for F {
    fn wants(&self, stage: Stage) -> bool {
        match stage {
            Stage::BlockInput(_) => false,
            Stage::PatchEmbed
            | Stage::PostConvLayernorm
            | Stage::Embeddings
            | Stage::Block(_)
            | Stage::PostLayernorm
            | Stage::Downsample
            | Stage::Merger => true,
        }
    }

    fn observe(&mut self, stage: Stage, x: Tensor<2>) {
        self(stage, x);
    }
}
