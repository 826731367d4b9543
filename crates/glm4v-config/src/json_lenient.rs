//! JSON as Python writes and reads it: with the words `NaN`, `Infinity` and `-Infinity`.
//!
//! [`Value`] has no such numbers, so they become strings. A field that is a number then refuses the word by its name, and
//! fields that are not used may have any value.

use serde_json::Value;

const WORDS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
/// The key of the object that transformers writes in place of these words: `{"__float__": "Infinity"}`.
const FLOAT: &str = "__float__";

/// Parses `text`.
pub(crate) fn parse(text: &str) -> serde_json::Result<Value> {
    let parsed = serde_json::from_str(text);
    let mut value = match parsed {
        Err(_) if WORDS.iter().any(|word| text.contains(word)) => {
            serde_json::from_str(&quoted(text))
        }
        Ok(_) | Err(_) => parsed,
    }?;
    untag(&mut value);
    Ok(value)
}

/// `text` with quotes around the words that are outside strings.
fn quoted(mut text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 16);
    let (mut in_string, mut escaped) = (false, false);
    while let Some(next) = text.chars().next() {
        let word = WORDS.iter().find(|word| text.starts_with(**word));
        let length = match word {
            Some(word) if !in_string => {
                quoted.extend(["\"", word, "\""]);
                word.len()
            }
            Some(_) | None => {
                in_string ^= next == '"' && !escaped;
                escaped = in_string && next == '\\' && !escaped;
                quoted.push(next);
                next.len_utf8()
            }
        };
        text = &text[length..];
    }
    quoted
}

/// Replaces tagged numbers by their words.
fn untag(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let (1, Some(Value::String(word))) = (fields.len(), fields.get(FLOAT))
                && WORDS.contains(&&word[..])
            {
                *value = Value::String(word.clone());
            } else {
                fields.values_mut().for_each(untag);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(untag),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_outside_strings_are_values() {
        let text = r#"{"a": [NaN, -Infinity,Infinity], "NaN": "Infinity \" NaN \\", "b": 1}"#;
        assert_eq!(
            parse(text).unwrap(),
            json!({"a": ["NaN", "-Infinity", "Infinity"], "NaN": "Infinity \" NaN \\", "b": 1})
        );
        assert!(parse(r#"{"a": -NaN}"#).is_err() && parse(r#"{"a": nan}"#).is_err());
        assert!(parse(r#"{"a": Infinity"#).is_err());
    }

    #[test]
    fn tagged_numbers_are_their_words() {
        let text = r#"{"a": [{"__float__": "NaN"}], "b": {"__float__": "1"}, "c": {"__float__": "NaN", "d": 1}}"#;
        assert_eq!(
            parse(text).unwrap(),
            json!({"a": ["NaN"], "b": {"__float__": "1"}, "c": {"__float__": "NaN", "d": 1}})
        );
    }
}
