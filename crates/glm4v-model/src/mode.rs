use burn::tensor::FloatDType;
use glm4v_kernels::{Precision, instructions};

/// How the tower computes. It is chosen once, when the tower is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeMode {
    /// On the CPU, with this project's own kernels. Values are f32; the operands of products have this precision. With
    /// [`Precision::Int8`] some products, and attention, have a higher one.
    Cpu(Precision),
    /// With the operations of a burn backend. All values have this type.
    Device(FloatDType),
}

impl ComputeMode {
    /// The type of the tower's outputs. It is f32 on the CPU.
    #[must_use]
    pub const fn dtype(self) -> FloatDType {
        match self {
            Self::Cpu(_) => FloatDType::F32,
            Self::Device(dtype) => dtype,
        }
    }

    /// The name of the kernels. Results of other kernels differ in the last bits.
    #[must_use]
    pub fn kernels(self) -> String {
        match self {
            Self::Cpu(precision) => instructions(precision),
            Self::Device(_) => "burn".to_owned(),
        }
    }

    /// Whether the tower runs on the CPU with this project's own kernels.
    #[must_use]
    pub const fn is_cpu(self) -> bool {
        match self {
            Self::Cpu(_) => true,
            Self::Device(_) => false,
        }
    }
}
