//! Text that people read: tables and numbers.

/// Lines of a name and what is said of it.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let rows: Vec<[String; 2]> = pairs
        .iter()
        .map(|(name, value)| [(*name).to_owned(), value.clone()])
        .collect();
    table(&rows)
}

/// Rows with their columns aligned, two blanks apart.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let line: String = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `count` of something, with an s where there are several.
pub(crate) fn count(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// A number of parameters, as in `892498432 (892.5 million)`.
pub(crate) fn millions(parameters: u64) -> String {
    format!("{parameters} ({:.1} million)", parameters as f64 / 1e6)
}

/// A number of floating-point operations, as in `892.15 GFLOP`.
pub(crate) fn operations(operations: u64) -> String {
    const UNITS: [&str; 4] = ["M", "G", "T", "P"];
    let mut value = operations as f64 / 1e6;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.2} {}FLOP", UNITS[unit])
}

/// A number of bytes, as in `1.66 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    if value < 1.0 {
        return format!("{bytes} bytes");
    }
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows = [["a", "1×2", "x"], ["bcd", "3", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a    1×2  x\nbcd  3\n");
    }

    #[test]
    fn numbers_are_short() {
        let sizes = [5, 1024, 1_784_996_864, 1 << 52].map(bytes);
        assert_eq!(sizes, ["5 bytes", "1.00 KiB", "1.66 GiB", "4096.00 TiB"]);
        assert_eq!(operations(892_150_000_000), "892.15 GFLOP");
        assert_eq!(count(1, "token") + &count(2, "token"), "1 token2 tokens");
    }
}
