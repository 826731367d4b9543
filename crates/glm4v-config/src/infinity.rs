//! A field that is a number or `Infinity`, as [`crate::json_lenient`] reads it and transformers writes it.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use serde_json::{Value, json};

pub(crate) fn serialize<S: Serializer>(
    number: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match number {
        Some(f64::INFINITY) => json!({"__float__": "Infinity"}).serialize(serializer),
        Some(_) | None => number.serialize(serializer),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::String(word) if word == "Infinity" => Some(f64::INFINITY),
        value => value.as_f64(),
    };
    let refused = || Error::custom(format!("expected a number, found {value}"));
    number.map(Some).ok_or_else(refused)
}
