//! Arrays in NumPy's format, version 1.0.

/// A file with an array of `rows` × `columns` values. `kind` is NumPy's name of their type, `<f2` for example.
pub(super) fn file(kind: &str, [rows, columns]: [usize; 2], values: &[u8]) -> Vec<u8> {
    const BEFORE_TEXT: usize = 10;
    let text =
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // Values begin at a multiple of 64 bytes. The text ends with a line feed.
    let length = (BEFORE_TEXT + text.len() + 1).next_multiple_of(64) - BEFORE_TEXT;
    let mut file = Vec::with_capacity(BEFORE_TEXT + length + values.len());
    file.extend_from_slice(b"\x93NUMPY\x01\x00");
    file.extend_from_slice(&(length as u16).to_le_bytes());
    file.extend_from_slice(text.as_bytes());
    file.resize(BEFORE_TEXT + length - 1, b' ');
    file.push(b'\n');
    file.extend_from_slice(values);
    file
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_header_is_numpys() {
        let file = super::file("<f4", [2, 1], &[7; 8]);
        assert_eq!(&file[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert!(
            file[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), } ")
        );
        assert_eq!(file[127], b'\n');
        assert_eq!(file[128..], [7; 8]);
    }
}
