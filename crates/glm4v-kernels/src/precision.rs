/// The precision of a product's operands. Sums are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Operands are f32.
    F32,
    /// Weights are rounded to bf16, which halves their memory. Processors with AMX multiply pairs of bf16 fast, and so do AMD
    /// processors with `VDPBF16PS`. There the rows are rounded too, and subnormal numbers count as zero. On other processors
    /// the rows stay f32.
    Bf16,
}
