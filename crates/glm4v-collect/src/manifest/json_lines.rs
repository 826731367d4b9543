use std::fs::File;
use std::io::BufReader;

use serde_json::{Map, Value};

use super::columns::Columns;
use super::{Row, Rows};
use crate::lines::{Line, Lines, Separator};
use crate::{CollectError, Manifest};

/// A manifest with one JSON object a line. The first line decides which columns are read.
pub(super) struct JsonLines {
    manifest: Manifest,
    lines: Lines<BufReader<File>>,
    columns: Option<Columns>,
}

impl JsonLines {
    pub(super) fn open(manifest: &Manifest) -> Result<Self, CollectError> {
        let path = &manifest.path;
        let file = File::open(path).map_err(CollectError::io(path))?;
        let name = path.display().to_string();
        Ok(Self {
            manifest: manifest.clone(),
            lines: Lines::new(&name, BufReader::new(file), Separator::Newline),
            columns: None,
        })
    }

    fn row(&mut self, line: &Line) -> Result<Row, CollectError> {
        let mut object: Map<String, Value> =
            serde_json::from_slice(&line.bytes).map_err(|error| {
                CollectError::value("a JSON object", format!("another text: {error}"))
            })?;
        let columns = match &self.columns {
            Some(columns) => columns,
            None => {
                let names: Vec<&str> = object.keys().map(String::as_str).collect();
                self.columns
                    .insert(Columns::choose(&self.manifest, &names)?)
            }
        };
        let id = columns
            .id
            .as_ref()
            .map(|column| id(object.get(column), column));
        let path = match object.remove(&columns.path) {
            Some(Value::String(path)) => path.into(),
            other => return Err(wrong_type(&columns.path, "text", other.as_ref())),
        };
        Ok(Row {
            number: line.number,
            path,
            id: id.transpose()?,
        })
    }
}

impl Rows for JsonLines {
    fn next(&mut self) -> Option<Result<Row, CollectError>> {
        let line = match self.lines.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let row = self.row(&line);
        Some(row.map_err(|error| self.lines.at(line.number, error)))
    }

    fn unit(&self) -> &'static str {
        "line"
    }
}

fn id(value: Option<&Value>, column: &str) -> Result<String, CollectError> {
    match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        other => Err(wrong_type(column, "text or an integer", other)),
    }
}

fn wrong_type(column: &str, expected: &str, found: Option<&Value>) -> CollectError {
    let found = match found {
        None => "no such column",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "text",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    };
    CollectError::value(format!("{expected} in the column `{column}`"), found)
}
