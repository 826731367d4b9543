use std::fmt;

use serde_json::Value;

/// So many inputs of each kind are named.
const NAMED: usize = 3;

/// The inputs that a job was started with, compared with those that the caller names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputChanges {
    /// Inputs that the job does not have.
    pub added: NamedInputs,
    /// Inputs of the job that are not named any more.
    pub removed: NamedInputs,
}

/// A number of inputs, and the names of the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedInputs {
    /// How many there are.
    pub count: usize,
    /// The first ones: the id, and the name if it is another one.
    pub first: Vec<String>,
}

impl NamedInputs {
    /// Adds an input, as its line of the list.
    pub(crate) fn add(&mut self, line: &str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(shown(line));
        }
    }

    fn text(&self, what: &str) -> Option<String> {
        let more = match self.count.checked_sub(self.first.len())? {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let are = if self.count == 1 {
            "input is"
        } else {
            "inputs are"
        };
        let named = self.first.join(", ");
        (self.count > 0).then(|| format!("{} {are} {what}: {named}{more}", self.count))
    }
}

/// As in `2 inputs are new: a.png, b.png; 1 input is missing: c.png`.
impl fmt::Display for InputChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [self.added.text("new"), self.removed.text("missing")];
        let texts: Vec<String> = texts.into_iter().flatten().collect();
        match texts.is_empty() {
            true => f.write_str("the same inputs are in another order"),
            false => f.write_str(&texts.join("; ")),
        }
    }
}

/// The id and the name of an input that has them, or its text.
fn shown(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    match (value["id"].as_str(), value["name"].as_str(), value.as_str()) {
        (Some(id), Some(name), _) if id != name => format!("`{id}` ({name})"),
        (Some(text), _, _) | (None, _, Some(text)) => format!("`{text}`"),
        (None, _, None) => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_shown_by_its_id_and_its_name() {
        assert_eq!(shown(r#"{"id":"a","name":"/b/a"}"#), "`a` (/b/a)");
        assert_eq!(shown(r#"{"id":"a","name":"a"}"#), "`a`");
        assert_eq!(shown("5"), "5");
    }
}
