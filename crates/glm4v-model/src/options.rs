use burn::tensor::Tensor;

use crate::tiles::MAX_SCORE_BYTES;
use crate::{AttentionMethod, CancelToken, Observer};

/// How [`VisionModel::forward`](crate::VisionModel::forward) runs.
pub struct ForwardOptions<'a> {
    /// Attention scores that a device keeps in memory at once, in bytes: 256 MiB by default. Segments are computed one after
    /// another to stay below it. If one segment alone is too large, so are its queries, but at least 64 at a time. Values
    /// change only by rounding. The CPU tower stores no scores.
    pub max_score_bytes: u64,
    /// How a device computes attention. The CPU tower has one method.
    pub attention: AttentionMethod,
    /// Stops the pass before its next block.
    pub cancel: Option<&'a CancelToken>,
    /// Receives the values between the stages.
    pub observer: Option<&'a mut dyn Observer>,
}

impl Default for ForwardOptions<'_> {
    fn default() -> Self {
        Self {
            max_score_bytes: MAX_SCORE_BYTES,
            attention: AttentionMethod::default(),
            cancel: None,
            observer: None,
        }
    }
}

/// The tower's output for a batch: the rows of all items, one after another.
#[derive(Clone, Debug)]
pub struct VisionOutput {
    /// The embeddings (transformers' `pooler_output`), `[tokens, out_hidden_size]`.
    pub embeddings: Tensor<2>,
    /// The merger's input (transformers' `last_hidden_state`), `[tokens, out_hidden_size]`.
    pub last_hidden_state: Tensor<2>,
}
