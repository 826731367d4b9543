use std::fmt;

/// A small text file in the place of a file of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Substitute {
    /// The pointer that Git leaves for a file which Git LFS did not download.
    LfsPointer,
    /// A web page, or the error message of a server.
    WebPage,
}

impl Substitute {
    /// Recognises a substitute by the first 8 bytes. A file of a checkpoint begins with neither.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"version ") {
            return Some(Self::LfsPointer);
        }
        let (markup, text) = bytes.trim_ascii_start().split_first()?;
        let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        (*markup == b'<' && text.iter().take(7).all(is_text)).then_some(Self::WebPage)
    }
}

impl fmt::Display for Substitute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LfsPointer => {
                "a Git LFS pointer, not the file itself; run `git lfs pull` in the checkpoint's directory, or download the file"
            }
            Self::WebPage => {
                "a web page (HTML or XML), not the file itself; download the file again, on a hub from `/resolve/`, not `/blob/`"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitutes_are_recognised_by_their_first_bytes() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        for (bytes, expected) in [
            (&pointer[..], Some(Substitute::LfsPointer)),
            (&pointer[..8], Some(Substitute::LfsPointer)),
            (b"<!doctype html>", Some(Substitute::WebPage)),
            (b"\n\n<html>", Some(Substitute::WebPage)),
            (b"<?xml ve", Some(Substitute::WebPage)),
            // The length of a header of 60 bytes.
            (b"<\0\0\0\0\0\0\0", None),
            (b"{\"model_type\": 1}", None),
            (b"versions", None),
            (b"  ", None),
        ] {
            assert_eq!(Substitute::of(bytes), expected, "{bytes:?}");
        }
    }
}
