use crate::{CollectError, Manifest};

/// The columns of a manifest that are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) path: String,
    /// `None` if the manifest has no column of ids.
    pub(super) id: Option<String>,
}

const PATHS: [&str; 5] = ["path", "file", "file_name", "image", "url"];
const IDS: [&str; 3] = ["id", "key", "uuid"];
/// An error names so many columns.
const MOST_NAMED: usize = 20;

impl Columns {
    /// Chooses among the columns with these names.
    pub(super) fn choose(manifest: &Manifest, names: &[&str]) -> Result<Self, CollectError> {
        let first = |known: &[&str]| {
            let found = known.iter().find(|known| names.contains(known));
            found.map(|name| (*name).to_owned())
        };
        let exact = |wanted: &String| {
            let expected = || missing(format!("`{wanted}`"), names);
            first(&[wanted]).ok_or_else(expected)
        };
        Ok(Self {
            path: match &manifest.path_column {
                Some(wanted) => exact(wanted)?,
                None => first(&PATHS)
                    .ok_or_else(|| missing(format!("named {}", PATHS.join(", ")), names))?,
            },
            id: match &manifest.id_column {
                Some(wanted) => Some(exact(wanted)?),
                None => first(&IDS),
            },
        })
    }
}

fn missing(expected: String, names: &[&str]) -> CollectError {
    let named: Vec<_> = names
        .iter()
        .take(MOST_NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    let found = match names.len() {
        0 => "no columns".to_owned(),
        count if count > MOST_NAMED => {
            format!("{} and {} more", named.join(", "), count - MOST_NAMED)
        }
        _ => named.join(", "),
    };
    CollectError::Column { expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManifestFormat;

    fn choose(
        path: Option<&str>,
        id: Option<&str>,
        names: &[&str],
    ) -> Result<(String, Option<String>), String> {
        let manifest = Manifest {
            path: "a.csv".into(),
            format: ManifestFormat::JsonLines,
            path_column: path.map(str::to_owned),
            id_column: id.map(str::to_owned),
        };
        let columns = Columns::choose(&manifest, names);
        columns
            .map(|columns| (columns.path, columns.id))
            .map_err(|error| error.to_string())
    }

    fn found(path: &str, id: Option<&str>) -> Result<(String, Option<String>), String> {
        Ok((path.to_owned(), id.map(str::to_owned)))
    }

    #[test]
    fn usual_names_are_found_in_a_fixed_order() {
        assert_eq!(
            choose(None, None, &["url", "image", "uuid"]),
            found("image", Some("uuid"))
        );
        assert_eq!(
            choose(None, None, &["key", "path", "id"]),
            found("path", Some("id"))
        );
        assert_eq!(choose(None, None, &["file_name"]), found("file_name", None));
        assert_eq!(
            choose(Some("a"), Some("b"), &["path", "b", "a"]),
            found("a", Some("b"))
        );
        assert_eq!(choose(Some("a"), Some("a"), &["a"]), found("a", Some("a")));
    }

    #[test]
    fn errors_list_the_columns() {
        assert_eq!(
            choose(None, None, &["Path", "x"]).unwrap_err(),
            "expected a column named path, file, file_name, image, url, found `Path`, `x`"
        );
        assert_eq!(
            choose(None, Some("sku"), &["path", "id"]).unwrap_err(),
            "expected a column `sku`, found `path`, `id`"
        );
        assert_eq!(
            choose(Some("a"), None, &[]).unwrap_err(),
            "expected a column `a`, found no columns"
        );
        let many = ["x"; 23];
        let message = choose(None, None, &many).unwrap_err();
        assert!(message.ends_with("`x`, `x` and 3 more"), "{message}");
    }
}
