use std::path::Path;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::{ConfigError, Substitute, json_lenient};

pub(crate) fn read_file<T>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Io {
        path: path.to_owned(),
        source,
    })?;
    parse(&text).map_err(|error| error.in_file(path))
}

/// Parses `text` as a JSON object. Other JSON values are refused.
pub(crate) fn object(text: &str) -> Result<Value, ConfigError> {
    let value =
        json_lenient::parse(text).map_err(|error| match Substitute::of(text.as_bytes()) {
            Some(substitute) => ConfigError::Substitute(substitute),
            None => error.into(),
        })?;
    check_object(&value, ".")?;
    Ok(value)
}

/// Deserializes `value`. In errors, `parent` precedes the name of the field.
pub(crate) fn fields<T: DeserializeOwned>(value: Value, parent: &str) -> Result<T, ConfigError> {
    check_object(&value, parent)?;
    serde_path_to_error::deserialize(value).map_err(|error| ConfigError::Field {
        field: match error.path().to_string().as_str() {
            "." => parent.to_owned(),
            path => field_of(parent, path),
        },
        message: plain(&error.inner().to_string()),
    })
}

/// The name of the field `name` of `parent` in errors. An empty parent is the file itself.
pub(crate) fn field_of(parent: &str, name: &str) -> String {
    match parent {
        "" => name.to_owned(),
        parent => format!("{parent}.{name}"),
    }
}

/// A message of serde in the words of JSON instead of Rust.
fn plain(message: &str) -> String {
    let parts = ["invalid type: ", "invalid value: "];
    let parts = parts.iter().find_map(|start| message.strip_prefix(start));
    let Some((found, expected)) = parts.and_then(|parts| parts.split_once(", expected ")) else {
        return message.replace("unknown variant", "unknown value");
    };
    let expected = match expected {
        "usize" | "u64" | "u32" => "a whole number",
        "f64" | "f32" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        expected if expected.starts_with("struct ") => "an object",
        expected => expected,
    };
    let found = match found {
        "sequence" => "an array".to_owned(),
        "map" => "an object".to_owned(),
        found => match found.split_once(' ') {
            Some(("integer" | "floating point" | "boolean", value)) => {
                value.trim_matches('`').to_owned()
            }
            Some(("string", value)) => format!("the text {value}"),
            _ => found.to_owned(),
        },
    };
    format!("expected {expected}, found {found}")
}

/// A switch, and the fields that are not read if it is off.
pub(crate) type Switch = (&'static str, &'static [&'static str]);

/// `defaults` with the values of `given`. Fields that the defaults do not have are left out.
///
/// null means what it means in transformers: a switch is off, and a field without a value is refused if it is read. A switch
/// can be a number, as Python has it: 0 is off.
pub(crate) fn with_defaults(
    defaults: Value,
    given: &Value,
    parent: &str,
    switches: &[Switch],
) -> Result<Map<String, Value>, ConfigError> {
    check_object(given, parent)?;
    let Value::Object(mut fields) = defaults else {
        unreachable!("the defaults are a structure");
    };
    let is_off = |name: &str| match given.get(name) {
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        other => matches!(other, Some(Value::Null | Value::Bool(false))),
    };
    let is_unread = |name: &str| {
        let mut switches = switches.iter();
        switches.any(|(switch, fields)| is_off(switch) && fields.contains(&name))
    };
    for (name, value) in &mut fields {
        match given.get(name) {
            None => {}
            Some(Value::Null | Value::Number(_)) if value.is_boolean() => {
                *value = Value::Bool(!is_off(name));
            }
            Some(Value::Null) if is_unread(name) => {}
            Some(Value::Null) => return Err(missing(parent, name)),
            Some(given) => *value = given.clone(),
        }
    }
    Ok(fields)
}

fn missing(parent: &str, name: &str) -> ConfigError {
    ConfigError::Field {
        field: field_of(parent, name),
        message: "expected a value, found null".into(),
    }
}

/// Refuses values other than objects. Without this check, serde reads an empty array as a structure of defaults.
pub(crate) fn check_object(value: &Value, field: &str) -> Result<(), ConfigError> {
    if value.is_object() {
        return Ok(());
    }
    Err(ConfigError::Field {
        field: field.to_owned(),
        message: format!("expected a JSON object, found {}", kind(value)),
    })
}

/// Deserializes a field that may be absent, but not null.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Deserializes a number, which need not be finite.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) | None => value.as_f64(),
    };
    number.ok_or_else(|| D::Error::custom(format!("expected a number, found {value}")))
}

/// Deserializes a whole number. Python also writes it as `1e6` or `12544.0`.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let value = Value::deserialize(deserializer)?;
    // Larger ones are not exact.
    const MAX: f64 = (1_u64 << 53) as f64;
    let of_float = |number: f64| {
        let is_whole = number.fract() == 0.0 && (0.0..=MAX).contains(&number);
        is_whole.then_some(number as u64)
    };
    let number = value.as_u64().or_else(|| of_float(value.as_f64()?));
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| D::Error::custom(format!("expected a whole number, found {value}")))
}

/// Deserializes a value for each of the three channels: three numbers, or one number for all.
pub(crate) fn channels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f32; 3], D::Error> {
    let value = Value::deserialize(deserializer)?;
    let given = match &value {
        Value::Array(numbers) => numbers.as_slice(),
        single => std::slice::from_ref(single),
    };
    let numbers: Option<Vec<f32>> = given
        .iter()
        .map(|number| Some(number.as_f64()? as f32))
        .collect();
    match numbers.as_deref() {
        Some(&[single]) => Ok([single; 3]),
        Some(&[red, green, blue]) => Ok([red, green, blue]),
        _ => Err(D::Error::custom(format!(
            "expected a number, or one for each of the three channels, found {value}"
        ))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_need_not_be_finite() {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(deserialize_with = "number")]
            x: f64,
        }
        let read = |x: Value| fields::<Fields>(json!({ "x": x }), "").map(|fields| fields.x);
        assert_eq!(read(json!(2)).unwrap(), 2.0);
        assert_eq!(read(json!("-Infinity")).unwrap(), f64::NEG_INFINITY);
        assert!(read(json!("NaN")).unwrap().is_nan());
        for value in [json!("inf"), json!("2"), json!(true), json!([1])] {
            let message = read(value).unwrap_err().to_string();
            assert!(
                message.starts_with("field `x`: expected a number"),
                "{message}"
            );
        }
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_fraction_of_zero() {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(deserialize_with = "whole")]
            x: usize,
        }
        let read = |x: Value| fields::<Fields>(json!({ "x": x }), "").map(|fields| fields.x);
        assert_eq!(read(json!(12544)).unwrap(), 12544);
        assert_eq!(read(json!(120_000.0)).unwrap(), 120_000);
        for value in [json!(-1), json!(0.5), json!(1e20), json!("1"), json!(null)] {
            let message = read(value).unwrap_err().to_string();
            assert!(
                message.contains("expected a whole number, found "),
                "{message}"
            );
        }
    }

    #[test]
    fn messages_speak_of_json() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only errors are of interest")]
        struct Inner {
            n: usize,
        }
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only errors are of interest")]
        struct Outer {
            x: Inner,
        }
        let read = |x: Value| {
            fields::<Outer>(json!({ "x": x }), "")
                .unwrap_err()
                .to_string()
        };
        for (x, message) in [
            (json!(5), "field `x`: expected an object, found 5"),
            (
                json!({"n": "a"}),
                "field `x.n`: expected a whole number, found the text \"a\"",
            ),
            (
                json!({"n": [1]}),
                "field `x.n`: expected a whole number, found an array",
            ),
            (
                json!({"n": -1}),
                "field `x.n`: expected a whole number, found -1",
            ),
            (
                json!({"n": null}),
                "field `x.n`: expected a whole number, found null",
            ),
        ] {
            assert_eq!(read(x), message);
        }
    }

    #[test]
    fn channels_are_one_number_or_three() {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(deserialize_with = "channels")]
            x: [f32; 3],
        }
        let read = |x: Value| fields::<Fields>(json!({ "x": x }), "").map(|fields| fields.x);
        assert_eq!(read(json!(0.5)).unwrap(), [0.5; 3]);
        assert_eq!(read(json!([2])).unwrap(), [2.0; 3]);
        assert_eq!(read(json!([1, 2, 3.5])).unwrap(), [1.0, 2.0, 3.5]);
        for value in [json!([]), json!([1, 2]), json!("0.5"), json!([1, "2", 3])] {
            assert!(read(value).is_err());
        }
    }

    #[test]
    fn a_switch_can_be_a_number() {
        let switches: [Switch; 1] = [("on", &["x"])];
        let read = |on: Value| {
            let given = json!({"on": on, "x": null});
            with_defaults(json!({"on": true, "x": 3}), &given, "", &switches)
        };
        for off in [json!(0), json!(0.0), json!(null), json!(false)] {
            assert_eq!(read(off).unwrap()["on"], false);
        }
        assert!(read(json!(1)).unwrap_err().to_string().contains("`x`"));
        let on = with_defaults(json!({"on": false}), &json!({"on": 2}), "", &[]);
        assert_eq!(on.unwrap()["on"], true);
    }

    #[test]
    fn unknown_fields_are_left_out() {
        let given = json!({"a": 5, "d": 7});
        let fields = with_defaults(json!({"a": 1, "c": 3}), &given, "", &[]).unwrap();
        assert_eq!(Value::Object(fields), json!({"a": 5, "c": 3}));
        assert!(with_defaults(json!({}), &json!([]), "x", &[]).is_err());
    }

    #[test]
    fn null_is_off_or_refused_where_it_is_read() {
        let defaults = json!({"do_x": true, "x": 1, "y": 2});
        let read = |given: Value| {
            let fields = with_defaults(defaults.clone(), &given, "p", &[("do_x", &["x"])]);
            fields.map(Value::Object).map_err(|error| error.to_string())
        };
        let off = json!({"do_x": false, "x": 1, "y": 2});
        assert_eq!(read(json!({"do_x": null})).unwrap(), off);
        assert_eq!(read(json!({"do_x": false, "x": null})).unwrap(), off);
        let message = "field `p.x`: expected a value, found null";
        assert_eq!(read(json!({"x": null})).unwrap_err(), message);
        assert!(read(json!({"do_x": null, "y": null})).is_err());
    }
}
