/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Unsigned, 8 bits
    U8(u8),
    /// Signed, 8 bits
    I8(i8),
    /// Unsigned, 16 bits
    U16(u16),
    /// Signed, 16 bits
    I16(i16),
    /// Unsigned, 32 bits
    U32(u32),
    /// Signed, 32 bits
    I32(i32),
    /// 32-bit float
    F32(f32),
    /// True or false
    Bool(bool),
    /// Text
    String(String),
    /// Several values of one type
    Array(Array),
    /// Unsigned, 64 bits
    U64(u64),
    /// Signed, 64 bits
    I64(i64),
    /// 64-bit float
    F64(f64),
}

/// Several values of one type. Arrays of arrays do not occur: llama.cpp refuses them.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Unsigned, 8 bits
    U8(Vec<u8>),
    /// Signed, 8 bits
    I8(Vec<i8>),
    /// Unsigned, 16 bits
    U16(Vec<u16>),
    /// Signed, 16 bits
    I16(Vec<i16>),
    /// Unsigned, 32 bits
    U32(Vec<u32>),
    /// Signed, 32 bits
    I32(Vec<i32>),
    /// 32-bit floats
    F32(Vec<f32>),
    /// True or false
    Bool(Vec<bool>),
    /// Texts
    String(Vec<String>),
    /// Unsigned, 64 bits
    U64(Vec<u64>),
    /// Signed, 64 bits
    I64(Vec<i64>),
    /// 64-bit floats
    F64(Vec<f64>),
}

/// The type of a value, as a number in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl ValueType {
    /// In the order of their numbers.
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    pub(crate) fn of_id(id: u32) -> Option<Self> {
        Self::ALL.get(id as usize).copied()
    }

    pub(crate) const fn id(self) -> u32 {
        self as u32
    }
}

impl Value {
    pub(crate) const fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// The number, if this is an integer that is not negative.
    #[must_use]
    pub fn as_size(&self) -> Option<u64> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I8(value) => value.try_into().ok(),
            Self::I16(value) => value.try_into().ok(),
            Self::I32(value) => value.try_into().ok(),
            Self::I64(value) => value.try_into().ok(),
            Self::F32(_) | Self::Bool(_) | Self::String(_) | Self::Array(_) | Self::F64(_) => None,
        }
    }

    /// The number, if this is a float. A 32-bit float has the shortest decimal number that names it: 0.00001, and not
    /// 0.000009999999747.
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        match *self {
            Self::F32(value) => value.to_string().parse().ok(),
            Self::F64(value) => Some(value),
            Self::U8(_)
            | Self::I8(_)
            | Self::U16(_)
            | Self::I16(_)
            | Self::U32(_)
            | Self::I32(_)
            | Self::Bool(_)
            | Self::String(_)
            | Self::Array(_)
            | Self::U64(_)
            | Self::I64(_) => None,
        }
    }

    /// The value in an error. Long texts and arrays are only named.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::U8(value) => value.to_string(),
            Self::I8(value) => value.to_string(),
            Self::U16(value) => value.to_string(),
            Self::I16(value) => value.to_string(),
            Self::U32(value) => value.to_string(),
            Self::I32(value) => value.to_string(),
            Self::F32(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::String(text) if text.len() <= 40 => format!("`{}`", crate::printable(text)),
            Self::String(text) => format!("a text of {} bytes", text.len()),
            Self::Array(array) => format!("an array of length {}", array.len()),
            Self::U64(value) => value.to_string(),
            Self::I64(value) => value.to_string(),
            Self::F64(value) => value.to_string(),
        }
    }
}

impl Array {
    pub(crate) const fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// Number of values.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::U16(values) => values.len(),
            Self::I16(values) => values.len(),
            Self::U32(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::String(values) => values.len(),
            Self::U64(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether it has no values.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Self {
        Self::F32(value)
    }
}

impl From<Vec<f32>> for Value {
    fn from(values: Vec<f32>) -> Self {
        Self::Array(Array::F32(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_numbers_of_the_format() {
        for (id, value_type) in [
            (0, ValueType::U8),
            (6, ValueType::F32),
            (8, ValueType::String),
            (12, ValueType::F64),
        ] {
            assert_eq!(ValueType::of_id(id), Some(value_type));
            assert_eq!(value_type.id(), id);
        }
        assert_eq!(ValueType::of_id(13), None);
    }

    #[test]
    fn numbers_of_any_width_are_sizes() {
        assert_eq!(Value::I32(7).as_size(), Some(7));
        assert_eq!(Value::I8(-7).as_size(), None);
        assert_eq!(Value::F32(7.0).as_size(), None);
    }

    #[test]
    fn a_float_has_the_shortest_name() {
        assert_eq!(Value::F32(1e-5).as_float(), Some(1e-5));
        assert_eq!(Value::F32(f32::INFINITY).as_float(), Some(f64::INFINITY));
    }
}
