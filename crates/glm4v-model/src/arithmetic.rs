use burn::tensor::FloatDType;
use glm4v_kernels::Precision;

/// Where a tower's products run, and in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Everything on the device, in this type.
    Device(FloatDType),
    /// Products on the host, by kernels of our own and in this precision; everything else on the device in f32. For a
    /// device whose memory is the host's.
    Host(Precision),
}

impl Arithmetic {
    /// Whether products run on the host.
    #[must_use]
    pub const fn is_on_host(self) -> bool {
        matches!(self, Self::Host(_))
    }

    /// The type of the tower's tensors.
    #[must_use]
    pub const fn dtype(self) -> FloatDType {
        match self {
            Self::Device(dtype) => dtype,
            Self::Host(_) => FloatDType::F32,
        }
    }
}

impl From<FloatDType> for Arithmetic {
    fn from(dtype: FloatDType) -> Self {
        Self::Device(dtype)
    }
}
