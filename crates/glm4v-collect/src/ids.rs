use std::collections::HashMap;
use std::collections::hash_map;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{CollectError, Entry};

/// Checks that the ids of a job are unique. It keeps a hash of 128 bits and a number for each id, about
/// 50 bytes, whatever the length of the id.
///
/// Only the number of the first entry is known when an id repeats. The caller knows the entry's name: it reads it from
/// the file where it saved the entries, for example.
///
/// ```
/// use glm4v_collect::{Entry, IdSet, Location};
///
/// let entry = |path: &str| Entry {
///     id: "cat".into(),
///     name: path.into(),
///     location: Location::Path(path.into()),
/// };
/// let mut ids = IdSet::default();
/// let names = ["a/cat.jpg"];
/// ids.insert(&entry("a/cat.jpg"), |first| names[first as usize])?;
/// let error = ids.insert(&entry("b/cat.jpg"), |first| names[first as usize]).unwrap_err();
/// assert!(error.to_string().starts_with("two inputs have the id `cat`: a/cat.jpg and b/cat.jpg;"));
/// # Ok::<(), glm4v_collect::CollectError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct IdSet {
    /// The hash of each id, and the number of its entry.
    numbers: HashMap<u128, u64>,
}

impl IdSet {
    /// Adds the id of an entry. `name_of` returns the name of an entry that was added before, by its number, counted
    /// from 0.
    ///
    /// # Errors
    /// [`CollectError::DuplicateId`] if an entry with this id was added before. Then this one is not added.
    pub fn insert<N: Into<String>>(
        &mut self,
        entry: &Entry,
        name_of: impl FnOnce(u64) -> N,
    ) -> Result<(), CollectError> {
        let number = self.len();
        match self.numbers.entry(hash(&entry.id)) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(number);
                Ok(())
            }
            hash_map::Entry::Occupied(first) => Err(CollectError::DuplicateId {
                id: entry.id.clone(),
                first: name_of(*first.get()).into(),
                second: entry.name.clone(),
            }),
        }
    }

    /// The number of ids.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// Whether no id was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

/// A hash of 128 bits. It is the same on every machine.
pub(crate) fn hash(text: &str) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(text.as_bytes());
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;

    fn entry(id: &str, name: &str) -> Entry {
        Entry {
            id: id.into(),
            name: name.into(),
            location: Location::Path(name.into()),
        }
    }

    #[test]
    fn a_repeated_id_names_both_inputs() {
        let mut ids = IdSet::default();
        assert!(ids.is_empty());
        let names = ["a.jpg", "b.jpg"];
        let name_of = |number: u64| names[number as usize];
        ids.insert(&entry("1", "a.jpg"), name_of).unwrap();
        ids.insert(&entry("2", "b.jpg"), name_of).unwrap();
        let error = ids.insert(&entry("2", "c.jpg"), name_of).unwrap_err();
        assert_eq!(
            error.to_string(),
            "two inputs have the id `2`: b.jpg and c.jpg; name their common parent folder with -r, leave one of them out, or \
             give each its own id in a manifest"
        );
        assert_eq!(ids.len(), 2);
        ids.insert(&entry("3", "d.jpg"), name_of).unwrap();
    }

    #[test]
    fn ids_that_look_alike_differ() {
        let mut ids = IdSet::default();
        for id in ["", " ", "a", "A", "a\0", "a/", "ä", "a\u{308}"] {
            ids.insert(&entry(id, id), |_| "").unwrap();
        }
        assert_eq!(ids.len(), 8);
    }
}
