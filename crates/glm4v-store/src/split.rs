use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::StoreError;

/// The share of a job that one of several processes works on, each in a directory of its own: `--shard I/N`.
///
/// Shard I has the inputs I, I + N, I + 2·N and so on, counted from 0. So the list of inputs can be read as a stream, and
/// neighbouring inputs, which often have similar sizes, are spread over all shards. Each input is in exactly one shard.
///
/// ```
/// use glm4v_store::Split;
///
/// let split: Split = "1/3".parse()?;
/// let mine: Vec<usize> = (0..8).filter(|&input| split.belongs(input)).collect();
/// assert_eq!(mine, [1, 4, 7]);
/// # Ok::<(), glm4v_store::StoreError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Split {
    index: usize,
    count: usize,
}

impl Split {
    /// The whole job: shard 0 of 1.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Shard `index` of `count`, counted from 0.
    ///
    /// # Errors
    ///
    /// [`StoreError::Split`] if `index` is not below `count`.
    pub fn new(index: usize, count: usize) -> Result<Self, StoreError> {
        if index >= count {
            let found = format!("{index}/{count}");
            return Err(StoreError::Split { found });
        }
        Ok(Self { index, count })
    }

    /// Whether this shard has input number `input`, counted from 0.
    #[must_use]
    pub const fn belongs(self, input: usize) -> bool {
        input % self.count == self.index
    }
}

impl FromStr for Split {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let unreadable = || StoreError::Split { found: text.into() };
        let (index, count) = numbers.ok_or_else(unreadable)?;
        Self::new(index, count)
    }
}

impl TryFrom<String> for Split {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        text.parse()
    }
}

impl From<Split> for String {
    fn from(split: Split) -> Self {
        split.to_string()
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_is_in_one_shard() {
        for count in 1..6 {
            for input in 0..20 {
                let shards =
                    (0..count).filter(|&index| Split::new(index, count).unwrap().belongs(input));
                assert_eq!(shards.count(), 1);
            }
        }
    }

    #[test]
    fn shards_are_counted_from_zero() {
        assert_eq!("0/1".parse::<Split>().unwrap(), Split::WHOLE);
        for wrong in ["4/4", "0/0", "1", "-1/2", "a/b", ""] {
            let error = wrong.parse::<Split>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{wrong}`")), "{error}");
        }
    }
}
