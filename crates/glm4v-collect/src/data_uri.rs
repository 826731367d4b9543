//! Data URIs (RFC 2397): `data:image/png;base64,…` and `data:,text%20in%20percent%20encoding`.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::CollectError;

const SCHEME: &str = "data:";
const LONGEST_SHOWN: usize = 40;
/// Base64 with or without the `=` at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(crate) fn is_data_uri(text: &str) -> bool {
    let start = text.as_bytes().get(..SCHEME.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(SCHEME.as_bytes()))
}

/// The URI for messages: its start, without the content.
pub(crate) fn shown(uri: &str) -> String {
    let header = uri.split(',').next().unwrap_or_default();
    let short: String = header.chars().take(LONGEST_SHOWN).collect();
    format!("{short},…")
}

/// The content of a URI, of at most `limit` bytes.
pub(crate) fn decode(uri: &str, limit: u64) -> Result<Vec<u8>, CollectError> {
    let refuse = |problem: String| CollectError::DataUri {
        uri: shown(uri),
        problem,
    };
    let Some((header, content)) = uri.split_once(',') else {
        return Err(refuse(
            "the data URI has no comma before its content".into(),
        ));
    };
    let is_base64 = header
        .rsplit_once(';')
        .is_some_and(|(_, last)| last.trim().eq_ignore_ascii_case("base64"));
    let bytes = percent_decoded(content);
    let size = if is_base64 {
        bytes.len() / 4 * 3
    } else {
        bytes.len()
    };
    if size as u64 > limit {
        return Err(CollectError::TooLarge {
            name: shown(uri),
            limit,
        });
    }
    if !is_base64 {
        return Ok(bytes);
    }
    let text: Vec<u8> = bytes
        .into_iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    BASE64
        .decode(text)
        .map_err(|error| refuse(format!("the content is not base64: {error}")))
}

/// `%41` becomes `A`. A `%` without two hexadecimal digits stays.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |index: usize| {
            let byte = after.get(index).copied().unwrap_or_default();
            char::from(byte).to_digit(16)
        };
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(uri: &str) -> Vec<u8> {
        decode(uri, 100).unwrap()
    }

    #[test]
    fn base64_and_percent_encoding() {
        assert_eq!(decoded("data:image/gif;base64,R0lGODlh"), b"GIF89a");
        assert_eq!(decoded("DATA:;BASE64,R0lG%4FDlh"), b"GIF89a");
        assert_eq!(decoded("data:;base64,R0lG\n ODlh"), b"GIF89a");
        assert_eq!(decoded("data:;base64,/+8="), [0xff, 0xef]);
        assert_eq!(decoded("data:;base64,/+8"), [0xff, 0xef]);
        assert_eq!(decoded("data:,a%20b,c%zz%4"), b"a b,c%zz%4");
        assert_eq!(decoded("data:text/plain;charset=utf-8,%FF"), [0xff]);
        assert_eq!(decoded("data:,"), b"");
        assert!(is_data_uri("Data:,a") && !is_data_uri("data") && !is_data_uri("datä:"));
    }

    #[test]
    fn errors_show_the_start_only() {
        let message = |uri: &str| decode(uri, 4).unwrap_err().to_string();
        assert_eq!(
            message("data:image/png;base64"),
            "data:image/png;base64,…: the data URI has no comma before its content"
        );
        assert!(
            message("data:;base64,a*b").starts_with("data:;base64,…: the content is not base64: "),
        );
        let limit = "more than 4 bytes; raise the limit if the input is trusted";
        assert_eq!(message("data:,12345"), format!("data:,…: {limit}"));
        assert_eq!(
            message("data:;base64,AAAAAAAA"),
            format!("data:;base64,…: {limit}")
        );
        let long = format!("data:{}", "x".repeat(1000));
        assert!(message(&long).len() < 150);
    }
}
