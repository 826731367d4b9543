use std::fmt;
use std::str::FromStr;

use crate::HubError;
use crate::error::printable;

/// The name of a model on the hub: `OWNER/NAME`.
///
/// ```
/// use glm4v_hub::ModelId;
///
/// let model: ModelId = "zai-org/GLM-4.1V-9B-Thinking".parse()?;
/// assert_eq!(model.to_string(), "zai-org/GLM-4.1V-9B-Thinking");
/// assert!("../GLM".parse::<ModelId>().is_err());
/// # Ok::<(), glm4v_hub::HubError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId {
    owner: String,
    name: String,
}

/// Separates the parts of a folder's name. The name of a model must not contain it.
const SEPARATOR: &str = "--";
const LONGEST_PART: usize = 96;

impl ModelId {
    /// The model's folder in a cache.
    pub(crate) fn folder(&self) -> String {
        format!("models{SEPARATOR}{}{SEPARATOR}{}", self.owner, self.name)
    }

    /// The model of a folder in a cache.
    pub(crate) fn from_folder(folder: &str) -> Option<Self> {
        let mut parts = folder.split(SEPARATOR);
        let (kind, owner, name) = (parts.next()?, parts.next()?, parts.next()?);
        if kind != "models" || parts.next().is_some() {
            return None;
        }
        format!("{owner}/{name}").parse().ok()
    }
}

impl FromStr for ModelId {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        match text.split_once('/') {
            Some((owner, name)) if is_part(owner) && is_part(name) && !name.ends_with(".git") => {
                Ok(Self {
                    owner: owner.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err(HubError::Model {
                found: printable(text),
            }),
        }
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// The hub's rules. They also keep paths inside the cache.
fn is_part(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let at_the_ends =
        |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    part.len() <= LONGEST_PART
        && part.bytes().all(allowed)
        && at_the_ends(part.bytes().next())
        && at_the_ends(part.bytes().last())
        && !part.contains(SEPARATOR)
        && !part.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_the_name_back() {
        let model: ModelId = "zai-org/GLM-4.1V-9B-Thinking".parse().unwrap();
        assert_eq!(model.folder(), "models--zai-org--GLM-4.1V-9B-Thinking");
        assert_eq!(ModelId::from_folder(&model.folder()), Some(model));
        assert_eq!(ModelId::from_folder("datasets--a--b"), None);
        assert_eq!(ModelId::from_folder("models--a--b--c"), None);
        assert_eq!(ModelId::from_folder("models--a"), None);
    }

    #[test]
    fn names_of_other_folders_are_refused() {
        let long = format!("a/{}", "b".repeat(97));
        for name in [
            "",
            "a",
            "/",
            "a/",
            "/a",
            "/etc/passwd",
            "a/b/c",
            "../a",
            "a/..",
            "a/.",
            "./a",
            ".a/b",
            "a/b..c",
            "a--b/c",
            "a/b--c",
            "a/b.git",
            "a/b c",
            "a/b?x",
            "a/b#x",
            "a\\b/c",
            "a/é",
            "-a/b",
            "a/b-",
            "a/b\n",
            "C:/x",
            &long,
        ] {
            assert!(name.parse::<ModelId>().is_err(), "{name:?}");
        }
    }
}
