use std::fmt;
use std::str::FromStr;

use burn::tensor::FloatDType;

/// The type that a tower computes in.
///
/// ```
/// use glm4v::{ComputeType, FloatDType};
///
/// assert_eq!("bf16".parse(), Ok(ComputeType::BF16));
/// assert_eq!(ComputeType::from(FloatDType::F16), ComputeType::F16);
/// assert_eq!(ComputeType::Int8.to_string(), "int8");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeType {
    /// Floating-point numbers.
    Float(FloatDType),
    /// Products of integers of eight bits with scales; the rest of the tower is f32. Only the device flex has it.
    Int8,
}

impl ComputeType {
    /// f32, which every device has.
    pub const F32: Self = Self::Float(FloatDType::F32);
    /// f16.
    pub const F16: Self = Self::Float(FloatDType::F16);
    /// bf16.
    pub const BF16: Self = Self::Float(FloatDType::BF16);
    /// The types that have a name on the command line.
    pub const NAMED: [Self; 4] = [Self::F32, Self::F16, Self::BF16, Self::Int8];

    /// The name, as on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float(FloatDType::F64) => "f64",
            Self::Float(FloatDType::F32) => "f32",
            Self::Float(FloatDType::Flex32) => "flex32",
            Self::Float(FloatDType::F16) => "f16",
            Self::Float(FloatDType::BF16) => "bf16",
            Self::Int8 => "int8",
        }
    }
}

impl From<FloatDType> for ComputeType {
    fn from(dtype: FloatDType) -> Self {
        Self::Float(dtype)
    }
}

impl fmt::Display for ComputeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ComputeType {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut types = Self::NAMED.into_iter();
        let found = types.find(|dtype| dtype.name() == name);
        found.ok_or_else(|| format!("expected f32, f16, bf16 or int8, found {name}"))
    }
}
