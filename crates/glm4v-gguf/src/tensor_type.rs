/// A type of tensors in ggml: values are stored in blocks along the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorType {
    /// The number in files.
    pub id: u32,
    /// The name in ggml.
    pub name: &'static str,
    /// Values of one block.
    pub block_len: u64,
    /// Bytes of one block.
    pub block_bytes: u64,
}

impl TensorType {
    /// The type with this number, if ggml has one.
    #[must_use]
    pub fn of_id(id: u32) -> Option<Self> {
        TYPES.into_iter().find(|known| known.id == id)
    }

    const fn new(id: u32, name: &'static str, block_len: u64, block_bytes: u64) -> Self {
        Self {
            id,
            name,
            block_len,
            block_bytes,
        }
    }
}

/// Every type of ggml. The numbers that are not here belong to types that ggml has removed.
const TYPES: [TensorType; 35] = [
    TensorType::new(0, "F32", 1, 4),
    TensorType::new(1, "F16", 1, 2),
    TensorType::new(2, "Q4_0", 32, 18),
    TensorType::new(3, "Q4_1", 32, 20),
    TensorType::new(6, "Q5_0", 32, 22),
    TensorType::new(7, "Q5_1", 32, 24),
    TensorType::new(8, "Q8_0", 32, 34),
    TensorType::new(9, "Q8_1", 32, 36),
    TensorType::new(10, "Q2_K", 256, 84),
    TensorType::new(11, "Q3_K", 256, 110),
    TensorType::new(12, "Q4_K", 256, 144),
    TensorType::new(13, "Q5_K", 256, 176),
    TensorType::new(14, "Q6_K", 256, 210),
    TensorType::new(15, "Q8_K", 256, 292),
    TensorType::new(16, "IQ2_XXS", 256, 66),
    TensorType::new(17, "IQ2_XS", 256, 74),
    TensorType::new(18, "IQ3_XXS", 256, 98),
    TensorType::new(19, "IQ1_S", 256, 50),
    TensorType::new(20, "IQ4_NL", 32, 18),
    TensorType::new(21, "IQ3_S", 256, 110),
    TensorType::new(22, "IQ2_S", 256, 82),
    TensorType::new(23, "IQ4_XS", 256, 136),
    TensorType::new(24, "I8", 1, 1),
    TensorType::new(25, "I16", 1, 2),
    TensorType::new(26, "I32", 1, 4),
    TensorType::new(27, "I64", 1, 8),
    TensorType::new(28, "F64", 1, 8),
    TensorType::new(29, "IQ1_M", 256, 56),
    TensorType::new(30, "BF16", 1, 2),
    TensorType::new(34, "TQ1_0", 256, 54),
    TensorType::new(35, "TQ2_0", 256, 66),
    TensorType::new(39, "MXFP4", 32, 17),
    TensorType::new(40, "NVFP4", 64, 36),
    TensorType::new(41, "Q1_0", 128, 18),
    TensorType::new(42, "Q2_0", 64, 18),
];
