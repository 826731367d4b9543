//! How the inputs of a resumed job differ from its list.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Lines};
use std::path::Path;

use serde::Serialize;

use super::list::InputList;
use crate::input_changes::InputChanges;
use crate::{Split, StoreError};

/// Compares the inputs that belong to `split` with the list in `dir`. `None` if they are equal.
///
/// As long as they are equal, nothing is kept in memory.
pub(super) fn between<T: Serialize>(
    dir: &Path,
    inputs: impl IntoIterator<Item = io::Result<T>>,
    split: Split,
) -> Result<Option<InputChanges>, StoreError> {
    let path = dir.join(InputList::NAME);
    let at = || StoreError::io(&path);
    let mut stored = lines(&path)?;
    let (mut equal, mut changes) = (0, InputChanges::default());
    // The lines of the list from the first difference on.
    let mut rest: Option<HashMap<u64, usize>> = None;
    for (number, input) in inputs.into_iter().enumerate() {
        let input = input.map_err(|source| StoreError::Inputs { source })?;
        if !split.belongs(number) {
            continue;
        }
        let given = serde_json::to_string(&input).map_err(|error| at()(error.into()))?;
        let rest = match &mut rest {
            Some(rest) => rest,
            None => match stored.next().transpose().map_err(at())? {
                Some(line) if line == given => {
                    equal += 1;
                    continue;
                }
                line => {
                    rest.insert(count(line.map(Ok).into_iter().chain(&mut stored)).map_err(at())?)
                }
            },
        };
        if !take(rest, &given) {
            changes.added.add(&given);
        }
    }
    let mut rest = match rest {
        Some(rest) => rest,
        None => match count(&mut stored).map_err(at())? {
            rest if rest.is_empty() => return Ok(None),
            rest => rest,
        },
    };
    for line in lines(&path)?.skip(equal) {
        let line = line.map_err(at())?;
        if take(&mut rest, &line) {
            changes.removed.add(&line);
        }
    }
    Ok(Some(changes))
}

fn lines(path: &Path) -> Result<Lines<BufReader<File>>, StoreError> {
    let file = File::open(path).map_err(StoreError::io(path))?;
    Ok(BufReader::new(file).lines())
}

/// How often each line comes, by its hash. It is for messages only, so two lines may share a hash.
fn count(lines: impl Iterator<Item = io::Result<String>>) -> io::Result<HashMap<u64, usize>> {
    let mut counts = HashMap::new();
    for line in lines {
        *counts.entry(hash(&line?)).or_default() += 1;
    }
    Ok(counts)
}

/// Whether `line` was still there.
fn take(counts: &mut HashMap<u64, usize>, line: &str) -> bool {
    match counts.get_mut(&hash(line)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        Some(_) | None => false,
    }
}

fn hash(line: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(stored: &[&str], given: &[&str]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let list = stored.iter().map(|name| format!("\"{name}\"\n"));
        std::fs::write(dir.path().join(InputList::NAME), list.collect::<String>()).unwrap();
        let given = given.iter().map(|name| Ok((*name).to_owned()));
        let changes = between(dir.path(), given, Split::WHOLE).unwrap();
        changes.map(|changes| changes.to_string())
    }

    #[test]
    fn new_and_missing_inputs_are_named() {
        let found = |stored: &[&str], given: &[&str]| changes(stored, given).unwrap();
        assert_eq!(changes(&["a", "b"], &["a", "b"]), None);
        assert_eq!(changes(&[], &[]), None);
        assert_eq!(found(&["a", "b"], &["a"]), "1 input is missing: `b`");
        assert_eq!(
            found(&["a"], &["a", "b", "c"]),
            "2 inputs are new: `b`, `c`"
        );
        assert_eq!(
            found(&["a", "b", "c"], &["c", "x", "a"]),
            "1 input is new: `x`; 1 input is missing: `b`"
        );
        assert_eq!(
            found(&["a", "b"], &["b", "a"]),
            "the same inputs are in another order"
        );
        assert_eq!(found(&["a", "a"], &["a"]), "1 input is missing: `a`");
        assert_eq!(
            found(&[], &["1", "2", "3", "4", "5"]),
            "5 inputs are new: `1`, `2`, `3` and 2 more"
        );
    }
}
