//! Text that people read: tables and numbers.

use std::fmt::{self, Display};

use crate::escape::escape;

/// Lines with aligned columns. Control characters in a cell are escaped, so that a name cannot add a column or a line.
#[derive(Default)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn row(&mut self, cells: &[&dyn Display]) {
        let cell = |cell: &&dyn Display| escape(&cell.to_string()).into_owned();
        self.0.push(cells.iter().map(cell).collect());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths: Vec<usize> = Vec::new();
        for (column, cell) in self.0.iter().flat_map(|row| row.iter().enumerate()) {
            widths.resize(widths.len().max(column + 1), 0);
            widths[column] = widths[column].max(cell.chars().count());
        }
        for row in &self.0 {
            let cells = row.iter().zip(&widths);
            let line: String = cells
                .map(|(cell, width)| format!("{cell:width$}  "))
                .collect();
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A list of names and values, one pair a line.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let mut table = Table::default();
    for (name, value) in pairs {
        table.row(&[name, value]);
    }
    table.to_string()
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
        let mut table = Table::default();
        assert_eq!(table.to_string(), "");
        table.row(&[&"a", &"1×2", &"x"]);
        table.row(&[&"bcd", &3]);
        assert_eq!(table.to_string(), "a    1×2  x\nbcd  3\n");
    }

    #[test]
    fn a_cell_stays_one_cell() {
        let pairs = pairs(&[("a\tb", "c\n\x1b[1m".into()), ("d", "e".into())]);
        assert_eq!(pairs, "a\\tb  c\\n\\u{1b}[1m\nd     e\n");
    }

    #[test]
    fn numbers_are_short() {
        let sizes = [5, 1024, 1_784_996_864, 1 << 52].map(bytes);
        assert_eq!(sizes, ["5 bytes", "1.00 KiB", "1.66 GiB", "4096.00 TiB"]);
        assert_eq!(operations(892_150_000_000), "892.15 GFLOP");
        assert_eq!(count(1, "token") + &count(2, "token"), "1 token2 tokens");
    }
}
