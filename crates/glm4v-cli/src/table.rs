//! Text that people read: tables and numbers.

/// A list of names and values, one pair a line.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let line = |(name, value): &(&str, String)| format!("{name}\t{value}\n");
    align(&pairs.iter().map(line).collect::<String>())
}

/// Aligns the columns of lines whose cells are separated by tabs.
pub(crate) fn align(lines: &str) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for line in lines.lines() {
        for (column, cell) in line.split('\t').enumerate() {
            widths.resize(widths.len().max(column + 1), 0);
            widths[column] = widths[column].max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines.lines() {
        let cells = line.split('\t').zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        text += line.trim_end();
        text += "\n";
    }
    text
}

/// A number and a noun, as in `1 token` and `2 tokens`.
pub(crate) fn count(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A number of parameters, as in `892498432 (892.5 million)`.
pub(crate) fn millions(parameters: u64) -> String {
    format!("{parameters} ({:.1} million)", parameters as f64 / 1e6)
}

/// A number of floating-point operations, as in `892.15 GFLOP`.
pub(crate) fn operations(operations: u64) -> String {
    let units = ["MFLOP", "GFLOP", "TFLOP", "PFLOP"];
    scaled(operations as f64 / 1e6, 1000.0, units)
}

/// A number of bytes, as in `1.66 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes < 1024 {
        true => format!("{bytes} bytes"),
        false => scaled(bytes as f64 / 1024.0, 1024.0, ["KiB", "MiB", "GiB", "TiB"]),
    }
}

/// `value` in the largest unit that keeps it at least 1. Each unit is `step` times the one before.
fn scaled(mut value: f64, step: f64, units: [&str; 4]) -> String {
    let mut unit = 0;
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    format!("{value:.2} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_not_bytes() {
        assert_eq!(align("a\t1×2\tx\nbcd\t3\n"), "a    1×2  x\nbcd  3\n");
        assert_eq!(align(""), "");
    }

    #[test]
    fn numbers_are_short() {
        let sizes = [5, 1024, 1_784_996_864, 1 << 52].map(bytes);
        assert_eq!(sizes, ["5 bytes", "1.00 KiB", "1.66 GiB", "4096.00 TiB"]);
        assert_eq!(operations(892_150_000_000), "892.15 GFLOP");
        assert_eq!(count(1, "token") + &count(2, "token"), "1 token2 tokens");
    }
}
