//! The key-value pairs of a header.

use std::collections::HashSet;
use std::io::Read;

use crate::read::HeaderReader;
use crate::value::ValueType;
use crate::{Array, GgufError, Value};

/// Bytes of the shortest pair: the length of its key, its type and one byte.
pub(crate) const MIN_PAIR_BYTES: u64 = 8 + 4 + 1;

/// Reads `count` pairs. No key may occur twice.
pub(crate) fn read<R: Read>(
    reader: &mut HeaderReader<'_, R>,
    count: u64,
) -> Result<Vec<(String, Value)>, GgufError> {
    reader.check(count, MIN_PAIR_BYTES, "the metadata")?;
    let (mut pairs, mut keys) = (Vec::new(), HashSet::new());
    for index in 0..count {
        let key = reader.text(&format!("metadata key {index}"))?;
        if key.is_empty() || key.contains(char::is_control) {
            return Err(reader.refuse(format!(
                "metadata key {index} is empty or contains control characters"
            )));
        }
        if !keys.insert(key.clone()) {
            return Err(reader.refuse(format!("metadata `{key}` is there twice")));
        }
        let value = value(reader, &format!("metadata `{key}`"))?;
        pairs.push((key, value));
    }
    Ok(pairs)
}

fn value<R: Read>(reader: &mut HeaderReader<'_, R>, what: &str) -> Result<Value, GgufError> {
    Ok(match value_type(reader, what)? {
        ValueType::U8 => Value::U8(reader.array(what).map(u8::from_le_bytes)?),
        ValueType::I8 => Value::I8(reader.array(what).map(i8::from_le_bytes)?),
        ValueType::U16 => Value::U16(reader.array(what).map(u16::from_le_bytes)?),
        ValueType::I16 => Value::I16(reader.array(what).map(i16::from_le_bytes)?),
        ValueType::U32 => Value::U32(reader.u32(what)?),
        ValueType::I32 => Value::I32(reader.array(what).map(i32::from_le_bytes)?),
        ValueType::F32 => Value::F32(reader.array(what).map(f32::from_le_bytes)?),
        ValueType::Bool => Value::Bool(reader.array(what).map(is_true)?),
        ValueType::String => Value::String(reader.text(what)?),
        ValueType::Array => Value::Array(array(reader, what)?),
        ValueType::U64 => Value::U64(reader.u64(what)?),
        ValueType::I64 => Value::I64(reader.array(what).map(i64::from_le_bytes)?),
        ValueType::F64 => Value::F64(reader.array(what).map(f64::from_le_bytes)?),
    })
}

fn array<R: Read>(reader: &mut HeaderReader<'_, R>, what: &str) -> Result<Array, GgufError> {
    let value_type = value_type(reader, what)?;
    let len = reader.u64(what)?;
    Ok(match value_type {
        ValueType::U8 => Array::U8(reader.numbers(len, what, u8::from_le_bytes)?),
        ValueType::I8 => Array::I8(reader.numbers(len, what, i8::from_le_bytes)?),
        ValueType::U16 => Array::U16(reader.numbers(len, what, u16::from_le_bytes)?),
        ValueType::I16 => Array::I16(reader.numbers(len, what, i16::from_le_bytes)?),
        ValueType::U32 => Array::U32(reader.numbers(len, what, u32::from_le_bytes)?),
        ValueType::I32 => Array::I32(reader.numbers(len, what, i32::from_le_bytes)?),
        ValueType::F32 => Array::F32(reader.numbers(len, what, f32::from_le_bytes)?),
        ValueType::Bool => Array::Bool(reader.numbers(len, what, is_true)?),
        ValueType::String => {
            reader.check(len, 8, what)?;
            let texts = (0..len).map(|_| reader.text(what));
            Array::String(texts.collect::<Result<_, _>>()?)
        }
        ValueType::Array => {
            return Err(reader.refuse(format!(
                "{what} is an array of arrays, which llama.cpp does not read either"
            )));
        }
        ValueType::U64 => Array::U64(reader.numbers(len, what, u64::from_le_bytes)?),
        ValueType::I64 => Array::I64(reader.numbers(len, what, i64::from_le_bytes)?),
        ValueType::F64 => Array::F64(reader.numbers(len, what, f64::from_le_bytes)?),
    })
}

fn value_type<R: Read>(
    reader: &mut HeaderReader<'_, R>,
    what: &str,
) -> Result<ValueType, GgufError> {
    let id = reader.u32(what)?;
    ValueType::of_id(id).ok_or_else(|| reader.refuse(format!("{what} has the unknown type {id}")))
}

/// As in llama.cpp: every byte but 0 is true.
fn is_true([byte]: [u8; 1]) -> bool {
    byte != 0
}

/// Appends the bytes of a pair.
pub(crate) fn write(bytes: &mut Vec<u8>, key: &str, value: &Value) {
    write_text(bytes, key);
    bytes.extend(value.value_type().id().to_le_bytes());
    match value {
        Value::U8(value) => bytes.push(*value),
        Value::I8(value) => bytes.extend(value.to_le_bytes()),
        Value::U16(value) => bytes.extend(value.to_le_bytes()),
        Value::I16(value) => bytes.extend(value.to_le_bytes()),
        Value::U32(value) => bytes.extend(value.to_le_bytes()),
        Value::I32(value) => bytes.extend(value.to_le_bytes()),
        Value::F32(value) => bytes.extend(value.to_le_bytes()),
        Value::Bool(value) => bytes.push((*value).into()),
        Value::String(text) => write_text(bytes, text),
        Value::Array(array) => write_array(bytes, array),
        Value::U64(value) => bytes.extend(value.to_le_bytes()),
        Value::I64(value) => bytes.extend(value.to_le_bytes()),
        Value::F64(value) => bytes.extend(value.to_le_bytes()),
    }
}

/// Appends the length and the bytes of a text.
pub(crate) fn write_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn write_array(bytes: &mut Vec<u8>, array: &Array) {
    bytes.extend(array.value_type().id().to_le_bytes());
    bytes.extend((array.len() as u64).to_le_bytes());
    match array {
        Array::U8(values) => bytes.extend(values),
        Array::I8(values) => write_all(bytes, values, |value| value.to_le_bytes()),
        Array::U16(values) => write_all(bytes, values, |value| value.to_le_bytes()),
        Array::I16(values) => write_all(bytes, values, |value| value.to_le_bytes()),
        Array::U32(values) => write_all(bytes, values, |value| value.to_le_bytes()),
        Array::I32(values) => write_all(bytes, values, |value| value.to_le_bytes()),
        Array::F32(values) => write_all(bytes, values, |value| value.to_le_bytes()),
        Array::Bool(values) => bytes.extend(values.iter().map(|&value| u8::from(value))),
        Array::String(texts) => texts.iter().for_each(|text| write_text(bytes, text)),
        Array::U64(values) => write_all(bytes, values, |value| value.to_le_bytes()),
        Array::I64(values) => write_all(bytes, values, |value| value.to_le_bytes()),
        Array::F64(values) => write_all(bytes, values, |value| value.to_le_bytes()),
    }
}

fn write_all<T: Copy, const N: usize>(
    bytes: &mut Vec<u8>,
    values: &[T],
    encode: impl Fn(T) -> [u8; N],
) {
    bytes.extend(values.iter().flat_map(|&value| encode(value)));
}
