//! A table in Markdown.

use std::fmt;

/// Its columns line up in a terminal too.
pub struct Table(Vec<Vec<String>>);

impl Table {
    pub fn new<const COLUMNS: usize>(heads: [&str; COLUMNS]) -> Self {
        Self(vec![heads.map(str::to_owned).to_vec()])
    }

    pub fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        self.0.push(cells.to_vec());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.0.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        for (number, row) in self.0.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                write!(f, "| {cell:<width$} ", width = width(column))?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                for column in 0..row.len() {
                    write!(f, "|{:-<width$}", "", width = width(column) + 2)?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}
