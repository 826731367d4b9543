use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// A field of `manifest.json` that differs from what the caller asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The field, with dots between levels: `options.max_tokens`.
    pub field: String,
    /// The value of the job in the directory. `None` if the job lacks the field.
    pub stored: Option<Value>,
    /// The value that the caller asks for.
    pub given: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |value: &Option<Value>| value.as_ref().map_or("nothing".into(), Value::to_string);
        let (stored, given) = (shown(&self.stored), shown(&self.given));
        write!(f, "{} was {stored}, and is now {given}", self.field)
    }
}

/// All differences between two JSON values, sorted by field.
pub(crate) fn between(stored: &Value, given: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    compare(String::new(), Some(stored), Some(given), &mut differences);
    differences
}

fn compare(
    field: String,
    stored: Option<&Value>,
    given: Option<&Value>,
    differences: &mut Vec<Difference>,
) {
    if let (Some(Value::Object(stored)), Some(Value::Object(given))) = (stored, given) {
        let names: BTreeSet<&String> = stored.keys().chain(given.keys()).collect();
        for name in names {
            let field = match field.is_empty() {
                true => name.clone(),
                false => format!("{field}.{name}"),
            };
            compare(field, stored.get(name), given.get(name), differences);
        }
    } else if stored != given {
        differences.push(Difference {
            field,
            stored: stored.cloned(),
            given: given.cloned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_is_named_with_both_values() {
        let stored = json!({"model": "a", "options": {"x": 1, "y": 2}, "same": [1, 2]});
        let given = json!({"model": "b", "options": {"x": 1, "z": 3}, "same": [1, 2]});
        let found: Vec<String> = between(&stored, &given)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "model was \"a\", and is now \"b\"",
                "options.y was 2, and is now nothing",
                "options.z was nothing, and is now 3",
            ]
        );
    }
}
