//! Patterns with wildcards, one part of a path after another.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};

/// A part of a pattern.
#[derive(Clone, Debug)]
enum Part {
    /// `**`: any number of folders.
    Folders,
    /// A name with wildcards.
    Wildcard(Pattern),
    /// A name.
    Name(OsString),
}

/// Decides which files below a folder match a pattern. It knows which parts of the pattern the folder's path used up.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    parts: Arc<[Part]>,
    /// The next part of the pattern. `**` allows several ways to read a path, and so several next parts.
    next: Vec<usize>,
}

/// What a filter says of a name in its folder.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The name matches the whole pattern.
    pub(super) matched: bool,
    /// If the name is a folder: the filter for the names in it. `None` if none of them can match.
    pub(super) below: Option<Filter>,
}

/// As in a shell: `*` does not match a name that starts with a dot.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Whether the path has a part with wildcards.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.components()
        .any(|part| matches!(part, Component::Normal(name) if has_wildcard(name)))
}

fn has_wildcard(name: &OsStr) -> bool {
    name.as_encoded_bytes()
        .iter()
        .any(|byte| b"*?[".contains(byte))
}

/// Splits a pattern into the folder before the first wildcard, and the filter for that folder.
///
/// # Errors
/// What is wrong with the pattern.
pub(super) fn parse(path: &Path) -> Result<(PathBuf, Filter), String> {
    let mut base = PathBuf::new();
    let mut parts: Vec<Part> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) if has_wildcard(name) => match part(name)? {
                Part::Folders if matches!(parts.last(), Some(Part::Folders)) => {}
                part => parts.push(part),
            },
            Component::Normal(name) if !parts.is_empty() => parts.push(Part::Name(name.into())),
            Component::ParentDir if !parts.is_empty() => {
                return Err("`..` cannot follow a wildcard".to_owned());
            }
            component => base.push(component),
        }
    }
    let next = vec![0];
    let parts = parts.into();
    Ok((base, Filter { parts, next }))
}

fn part(name: &OsStr) -> Result<Part, String> {
    if name == "**" {
        return Ok(Part::Folders);
    }
    let text = name
        .to_str()
        .ok_or("a part with wildcards must be Unicode")?;
    let pattern = Pattern::new(text).map_err(|error| format!("{} in `{text}`", error.msg))?;
    Ok(Part::Wildcard(pattern))
}

impl Filter {
    pub(super) fn step(&self, name: &OsStr) -> Step {
        let mut next = Vec::new();
        for index in self.ways() {
            match &self.parts[index] {
                Part::Folders if !is_hidden(name) => next.push(index),
                Part::Wildcard(pattern)
                    if pattern.matches_with(&name.to_string_lossy(), OPTIONS) =>
                {
                    next.push(index + 1);
                }
                Part::Name(expected) if expected == name => next.push(index + 1),
                Part::Folders | Part::Wildcard(_) | Part::Name(_) => {}
            }
        }
        next.sort_unstable();
        next.dedup();
        let end = self.parts.len();
        let below = Self {
            parts: Arc::clone(&self.parts),
            next,
        };
        Step {
            matched: below.next.iter().any(|&index| {
                index == end || index + 1 == end && matches!(self.parts[index], Part::Folders)
            }),
            below: below.next.iter().any(|&index| index < end).then_some(below),
        }
    }

    /// The next parts. Those after a `**` too, because it can stand for no folder.
    fn ways(&self) -> Vec<usize> {
        let mut ways = Vec::new();
        for &index in &self.next {
            let mut index = index;
            while index < self.parts.len() {
                ways.push(index);
                match self.parts[index] {
                    Part::Folders => index += 1,
                    Part::Wildcard(_) | Part::Name(_) => break,
                }
            }
        }
        ways.sort_unstable();
        ways.dedup();
        ways
    }
}

pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the file `path` below the pattern's folder matches.
    fn matches(pattern: &str, path: &str) -> bool {
        let (base, mut filter) = parse(Path::new(pattern)).unwrap();
        assert_eq!(base, Path::new(""), "{pattern}");
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            let step = filter.step(OsStr::new(name));
            match (names.peek(), step.below) {
                (None, _) => return step.matched,
                (Some(_), None) => return false,
                (Some(_), Some(below)) => filter = below,
            }
        }
        unreachable!("a path has a last part")
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, matching, others) in [
            (
                "*.jpg",
                &["a.jpg", "a b.jpg"][..],
                &["a.JPG", "a.jpg.png", ".a.jpg", "b/a.jpg"][..],
            ),
            ("?.jpg", &["a.jpg", "é.jpg"], &["ab.jpg", ".jpg"]),
            ("[a-c]*", &["a", "bx"], &["d", "A"]),
            ("[!a-c]*", &["d"], &["a"]),
            (
                "**/*.png",
                &["a.png", "b/a.png", "b/c/a.png"],
                &[".b/a.png", "b/.a.png", "a.jpg"],
            ),
            ("**", &["a", "b/a"], &[".a", "b/.a"]),
            (
                "*/b/*.png",
                &["a/b/c.png"],
                &["b/c.png", "a/c/c.png", "a/x/b/c.png"],
            ),
            (
                "**/b/**/*.png",
                &["b/c.png", "b/b/c.png", "a/b/d/e/c.png"],
                &["a/c.png", "b"],
            ),
            ("**/**/a", &["a", "x/a", "x/y/a"], &["b"]),
            (".*", &[".a"], &["a"]),
            ("*/.h/*", &["a/.h/b"], &["a/h/b"]),
            ("a[*]b*", &["a*bc"], &["aXbc"]),
        ] {
            for path in matching {
                assert!(matches(pattern, path), "{pattern} {path}");
            }
            for path in others {
                assert!(!matches(pattern, path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn the_folder_before_the_first_wildcard_is_not_searched() {
        let base = |pattern: &str| parse(Path::new(pattern)).unwrap().0;
        assert_eq!(base("photos/2024/*.jpg"), Path::new("photos/2024"));
        assert_eq!(base("/data/**/a.jpg"), Path::new("/data"));
        assert_eq!(base("../*/x"), Path::new(".."));
        assert!(is_pattern(Path::new("a/[b]/c")) && !is_pattern(Path::new("a/b.jpg")));
    }

    #[test]
    fn patterns_that_are_not_valid() {
        let message = |pattern: &str| parse(Path::new(pattern)).unwrap_err();
        assert_eq!(message("*/../a"), "`..` cannot follow a wildcard");
        for pattern in ["a[", "a**", "***"] {
            let message = message(pattern);
            assert!(message.ends_with(&format!(" in `{pattern}`")), "{message}");
        }
    }
}
