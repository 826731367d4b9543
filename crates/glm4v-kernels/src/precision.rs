/// The precision of a product's operands. Sums are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Operands are f32.
    F32,
    /// Weights are rounded to bf16, which halves their memory. Processors with AMX multiply pairs of bf16 fast, and so do AMD
    /// processors with `VDPBF16PS`. There the rows are rounded too, and subnormal numbers count as zero. On other processors
    /// the rows stay f32.
    Bf16,
    /// Weights and rows are rounded to integers of eight bits, in rotated groups of 128 values with one scale each. Weights take a
    /// quarter of the memory of f32. The products of a group are exact; the sums over groups are f32. Attention has no products
    /// of integers, and computes as with `Bf16`.
    Int8,
}
