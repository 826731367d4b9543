//! Text that is safe to print: a file name must not move the cursor, color the terminal or add lines.

use std::borrow::Cow;

/// `text` with control characters as escape sequences, as in `\n` and `\u{1b}`.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match is_control(character) {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// The same for text of several lines, which keeps its line ends.
pub(crate) fn escape_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(escape).collect();
    lines.join("\n")
}

/// Besides the control characters, those that end a line or change the direction of text. They can make one name look
/// like another.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        for (text, escaped) in [
            ("cat 1.png", "cat 1.png"),
            ("C:\\cats\\été 猫.png", "C:\\cats\\été 猫.png"),
            ("a\nb\t\r.png", "a\\nb\\t\\r.png"),
            ("\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}gnp.exe", "a\\u{202e}gnp.exe"),
        ] {
            assert_eq!(escape(text), escaped);
            assert_eq!(escape(escaped), escaped, "once");
        }
        assert_eq!(escape_lines("a\x1b\nb\n"), "a\\u{1b}\nb\n");
    }
}
