//! Paths as text: in ids, and in JSON. Functions of this module also serve as `#[serde(with)]`.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::{Component, MAIN_SEPARATOR, Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path in JSON.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Unicode(String),
    /// A path of Unix.
    Bytes {
        bytes: Vec<u8>,
    },
    /// A path of Windows, in UTF-16.
    Wide {
        wide: Vec<u16>,
    },
}

/// The path as an id: with `/` between its parts, and `%` and two hexadecimal digits for each byte that is not UTF-8.
pub(crate) fn id(path: impl AsRef<OsStr>) -> String {
    let mut id = String::new();
    for chunk in path.as_ref().as_encoded_bytes().utf8_chunks() {
        id += chunk.valid();
        for byte in chunk.invalid() {
            write!(id, "%{byte:02X}").expect("a string grows");
        }
    }
    match MAIN_SEPARATOR {
        '/' => id,
        separator => id.replace(separator, "/"),
    }
}

/// The same path without `.` and without repeated separators, so that `./a.jpg` and `a.jpg` are one name.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let parts = path.components();
    let normal: PathBuf = parts.filter(|part| *part != Component::CurDir).collect();
    match normal.as_os_str().is_empty() {
        true => path.to_owned(),
        false => normal,
    }
}

/// The name of a file whose bytes are `bytes`. `None` where names must be Unicode.
#[cfg(unix)]
pub(crate) fn from_bytes(bytes: Vec<u8>) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    Some(OsString::from_vec(bytes))
}

/// The name of a file whose bytes are `bytes`. `None` where names must be Unicode.
#[cfg(not(unix))]
pub(crate) fn from_bytes(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(OsString::from)
}

pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    let stored = match path.to_str() {
        Some(text) => Stored::Unicode(text.to_owned()),
        None => exact(path.as_os_str()),
    };
    stored.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let name = match Stored::deserialize(deserializer)? {
        Stored::Unicode(text) => Some(OsString::from(text)),
        Stored::Bytes { bytes } => from_bytes(bytes),
        Stored::Wide { wide } => from_wide(&wide),
    };
    let refused = || D::Error::custom("this path exists on another operating system only");
    name.map(PathBuf::from).ok_or_else(refused)
}

#[cfg(windows)]
fn exact(name: &OsStr) -> Stored {
    use std::os::windows::ffi::OsStrExt;
    Stored::Wide {
        wide: name.encode_wide().collect(),
    }
}

#[cfg(not(windows))]
fn exact(name: &OsStr) -> Stored {
    Stored::Bytes {
        bytes: name.as_encoded_bytes().to_vec(),
    }
}

#[cfg(windows)]
fn from_wide(wide: &[u16]) -> Option<OsString> {
    use std::os::windows::ffi::OsStringExt;
    Some(OsString::from_wide(wide))
}

#[cfg(not(windows))]
fn from_wide(wide: &[u16]) -> Option<OsString> {
    String::from_utf16(wide).ok().map(OsString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_slashes() {
        let path: PathBuf = ["a", "b", "cat.jpg"].iter().collect();
        assert_eq!(id(&path), "a/b/cat.jpg");
        assert_eq!(id("tab\there"), "tab\there");
    }

    #[test]
    fn names_of_one_file_are_one_path() {
        for (name, expected) in [
            ("./a.jpg", "a.jpg"),
            ("a//b/./c.jpg", "a/b/c.jpg"),
            ("photos/", "photos"),
            ("../a", "../a"),
            (".", "."),
            ("", ""),
        ] {
            assert_eq!(normal(Path::new(name)).as_os_str(), expected, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_utf8_are_escaped_in_ids() {
        let name = from_bytes(b"caf\xe9 \xc3\xa9.jpg".to_vec()).unwrap();
        assert_eq!(id(name), "caf%E9 é.jpg");
    }
}
