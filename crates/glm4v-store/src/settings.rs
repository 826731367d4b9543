use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{OutputDtype, Pool, ShardFormat, Split, StoreError, shard};

/// Everything that decides the content of a job's directory, apart from the list of inputs.
///
/// A job is resumed only with the same settings: other settings could give other embeddings, or cut batches elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The version of glm4v.
    pub version: String,
    /// The name or the path of the model.
    pub model: String,
    /// A fingerprint of the model's weights.
    pub fingerprint: String,
    /// Values of one token: the width of the language model.
    pub width: usize,
    /// The type in which the tower computes.
    pub dtype: String,
    /// The kernels that compute it, because other kernels round differently.
    pub kernels: String,
    /// The device.
    pub device: String,
    /// Further options that change values, such as limits of the size.
    pub options: BTreeMap<String, Value>,
    /// The limits of batches. Other batches can give values that differ in the last bit.
    pub batch_limits: BTreeMap<String, Value>,
    /// The format of shards.
    pub format: ShardFormat,
    /// The type of stored embeddings.
    pub output_dtype: OutputDtype,
    /// Whether all tokens are stored, or their mean.
    pub pool: Pool,
    /// A shard is closed at the end of the batch in which its embeddings reach this many bytes.
    pub shard_bytes: u64,
    /// A shard is closed at the end of the batch in which it reaches this many inputs.
    pub shard_inputs: usize,
    /// The share of the inputs that this directory has.
    pub split: Split,
}

impl Settings {
    /// The usual size of a shard: 512 MiB.
    pub const SHARD_BYTES: u64 = 512 << 20;
    /// The usual limit of inputs in a shard, for small embeddings.
    pub const SHARD_INPUTS: usize = 2_000;

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        shard::check(self.format, self.output_dtype, self.width)?;
        if self.shard_bytes == 0 || self.shard_inputs == 0 {
            let problem = "a shard needs at least 1 byte and 1 input".into();
            return Err(StoreError::Settings { problem });
        }
        Ok(())
    }
}
