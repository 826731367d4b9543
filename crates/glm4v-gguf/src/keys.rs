//! Keys of the metadata, and names of tensors that tell a size.

pub(crate) const ARCHITECTURE: &str = "general.architecture";
pub(crate) const HAS_VISION: &str = "clip.has_vision_encoder";
pub(crate) const PROJECTOR: &str = "clip.projector_type";
/// The key of the projector in files that have an audio encoder as well.
pub(crate) const VISION_PROJECTOR: &str = "clip.vision.projector_type";
pub(crate) const USE_SILU: &str = "clip.use_silu";
pub(crate) const WIDTH: &str = "clip.vision.embedding_length";
pub(crate) const MLP_WIDTH: &str = "clip.vision.feed_forward_length";
pub(crate) const DEPTH: &str = "clip.vision.block_count";
pub(crate) const OUT_WIDTH: &str = "clip.vision.projection_dim";
pub(crate) const HEADS: &str = "clip.vision.attention.head_count";
pub(crate) const EPS: &str = "clip.vision.attention.layer_norm_epsilon";
pub(crate) const IMAGE_SIZE: &str = "clip.vision.image_size";
pub(crate) const PATCH_SIZE: &str = "clip.vision.patch_size";
pub(crate) const MERGE_SIZE: &str = "clip.vision.spatial_merge_size";
pub(crate) const MEAN: &str = "clip.vision.image_mean";
pub(crate) const STD: &str = "clip.vision.image_std";
pub(crate) const CLAMP: &str = "clip.vision.swiglu_clamp";
pub(crate) const MIN_PIXELS: &str = "clip.vision.image_min_pixels";
pub(crate) const MAX_PIXELS: &str = "clip.vision.image_max_pixels";

/// The tensor whose shape tells the patch size and the channels.
pub(crate) const KERNEL: &str = "v.patch_embd.weight";
/// The tensors that only some towers have.
pub(crate) const HEAD_NORM: &str = "v.blk.0.attn_q_norm.weight";
pub(crate) const ATTENTION_BIAS: &str = "v.blk.0.attn_qkv.bias";
/// The gates, whose shapes are the widths of the MLPs.
pub(crate) const BLOCK_GATE: &str = "v.blk.0.ffn_gate.weight";
pub(crate) const MERGER_GATE: &str = "mm.gate.weight";

/// The side of the merged square in llama.cpp, and the base of the rotary embedding there. Files do not store them, or
/// store them in vain.
pub(crate) const MERGE: usize = 2;
pub(crate) const ROPE_THETA: f64 = 10_000.0;
