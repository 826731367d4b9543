use std::fmt;
use std::str::FromStr;

use crate::error::printable;
use crate::{HubError, url};

/// A branch, a tag (`refs/pr/1` as well) or a commit, whole or abbreviated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision(String);

const DEFAULT: &str = "main";
const LONGEST: usize = 200;
const SHORTEST_COMMIT: usize = 5;

impl Revision {
    /// `revision`, or the main branch.
    pub(crate) fn new(revision: Option<&str>) -> Result<Self, HubError> {
        revision.unwrap_or(DEFAULT).parse()
    }

    /// As one segment of a URL's path.
    pub(crate) fn encoded(&self) -> String {
        url::encode(&self.0)
    }

    /// The folders and the name of the file below `refs`.
    pub(crate) fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether it can be the beginning of a commit.
    pub(crate) fn is_abbreviation(&self) -> bool {
        self.0.len() >= SHORTEST_COMMIT && is_hex(&self.0)
    }

    pub(crate) fn is_default(&self) -> bool {
        self.0 == DEFAULT
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is the whole name of a commit, and therefore safe as the name of a folder.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.bytes().all(digit)
}

impl FromStr for Revision {
    type Err = HubError;

    /// Git's rules for names of references. They also keep paths inside the cache.
    fn from_str(text: &str) -> Result<Self, HubError> {
        let odd = |c: char| c.is_whitespace() || c.is_control() || "\\:?*[~^\"<>|".contains(c);
        let component = |part: &str| {
            !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(['.'])
        };
        let valid = text.len() <= LONGEST
            && !text.contains(odd)
            && !text.contains("..")
            && text.split('/').all(component);
        match valid {
            true => Ok(Self(text.to_owned())),
            false => Err(HubError::Revision {
                found: printable(text),
            }),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelId;

    #[test]
    fn a_slash_is_one_segment_of_a_url_and_a_folder_of_a_cache() {
        let revision = Revision::new(Some("refs/pr/1")).unwrap();
        assert_eq!(revision.encoded(), "refs%2Fpr%2F1");
        assert_eq!(
            revision.components().collect::<Vec<_>>(),
            ["refs", "pr", "1"]
        );
        assert!(Revision::new(None).unwrap().is_default());
    }

    #[test]
    fn revisions_of_other_folders_are_refused() {
        for name in [
            "", "/", "/a", "a/", "a//b", "..", "../a", "a/..", "a/../b", ".", "a b", "a\\b", "c:d",
            "-x", "a\n",
        ] {
            assert!(Revision::new(Some(name)).is_err(), "{name:?}");
        }
    }

    #[test]
    fn errors_have_no_control_characters() {
        let revision = Revision::new(Some("a\u{1b}[2J")).unwrap_err();
        let model = "a/\u{1b}[2J".parse::<ModelId>().unwrap_err();
        for message in [revision.to_string(), model.to_string()] {
            assert!(message.contains("[2J`"), "{message}");
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }

    #[test]
    fn commits_are_distinguished_from_branches() {
        assert!(is_commit(&"0a".repeat(20)) && !is_commit("0a0a") && !is_commit(&"x".repeat(40)));
        let is_abbreviation = |text| Revision::new(Some(text)).unwrap().is_abbreviation();
        assert!(is_abbreviation("deadbee") && !is_abbreviation("main") && !is_abbreviation("dead"));
    }
}
