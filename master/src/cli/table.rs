//! Lists for people and for `awk`: columns with two spaces in between.

use std::io::Write;

use anyhow::Context;

/// A table with so many columns.
#[derive(Debug)]
pub(super) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// One with a line of titles.
    pub(super) fn new(titles: [&str; COLUMNS]) -> Self {
        Self {
            rows: vec![titles.map(str::to_owned)],
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    /// Prints it to standard output.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let text = self.text();
        std::io::stdout()
            .write_all(text.as_bytes())
            .context("the list cannot be printed")
    }

    fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        };
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(widths);
            let cells: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["A", "B"]);
        table.row(["äöü".into(), "x".into()]);
        assert_eq!(table.text(), "A    B\näöü  x\n");
    }
}
