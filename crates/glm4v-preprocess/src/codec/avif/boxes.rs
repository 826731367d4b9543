/// The boxes of an ISO base media file: their kinds and contents, up to the end or to a box that is cut off.
pub(super) fn boxes(data: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = Reader(data);
    std::iter::from_fn(move || {
        let start = rest.0;
        let size = rest.number(4)?;
        let kind = *rest.take(4)?.first_chunk()?;
        let size = match size {
            // To the end of the file.
            0 => start.len() as u64,
            1 => rest.number(8)?,
            size => size,
        };
        let header = start.len() - rest.0.len();
        let length = usize::try_from(size).ok()?.checked_sub(header)?;
        Some((kind, rest.take(length)?))
    })
}

/// The content of the first box of a kind.
pub(super) fn find<'a>(data: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    let mut boxes = boxes(data);
    boxes.find(|(found, _)| found == kind).map(|(_, body)| body)
}

/// The rest of a box. A step beyond its end is `None`.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of up to 8 bytes, the highest first. 0 bytes are the number 0.
    pub(super) fn number(&mut self, bytes: usize) -> Option<u64> {
        let bytes = self.take(bytes)?;
        Some(
            bytes
                .iter()
                .fold(0, |number, &byte| (number << 8) | u64::from(byte)),
        )
    }

    /// The version of the box, and its flags.
    pub(super) fn version(&mut self) -> Option<(u64, u64)> {
        Some((self.number(1)?, self.number(3)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_all_kinds() {
        let data = b"\0\0\0\x09abcd!\0\0\0\x01efgh\0\0\0\0\0\0\0\x12??\0\0\0\0ijkl...";
        let found: Vec<_> = boxes(data).collect();
        assert_eq!(
            found,
            [(*b"abcd", &b"!"[..]), (*b"efgh", b"??"), (*b"ijkl", b"...")]
        );
        assert_eq!(find(data, b"efgh"), Some(&b"??"[..]));
    }

    #[test]
    fn false_sizes_end_the_boxes() {
        for data in [&b"\0\0\0\x07abcd"[..], b"\0\0\0\x0aabcd!", b"\0\0\0", b""] {
            assert_eq!(boxes(data).count(), 0);
        }
    }
}
