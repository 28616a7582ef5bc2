//! Tables in Markdown.

use std::fmt;

/// A Markdown table whose columns are also aligned in a terminal.
pub struct Table(Vec<Vec<String>>);

impl Table {
    pub fn new<const COLUMNS: usize>(heads: [&str; COLUMNS]) -> Self {
        Self(vec![heads.map(str::to_owned).to_vec()])
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.push(cells.into_iter().collect());
    }

    /// Creates a table of goals with one result each.
    pub fn of_goals() -> Self {
        Self::new(["goal", "result", "result ÷ goal", "met"])
    }

    pub fn at_least(&mut self, what: &str, bound: f64, value: f64, result: String) {
        let results = [result, format!("{:.2}", value / bound)];
        self.goal(&format!("{what}: at least {bound}"), results, value >= bound);
    }

    pub fn at_most(&mut self, what: &str, bound: f64, value: f64, result: String) {
        let results = [result, format!("{:.2}", value / bound)];
        self.goal(&format!("{what}: at most {bound}"), results, value <= bound);
    }

    /// Adds a row to a table of goals: the goal, the results, and whether the goal was met.
    pub fn goal<const RESULTS: usize>(&mut self, goal: &str, results: [String; RESULTS], is_met: bool) {
        let met = if is_met { "yes" } else { "**NO**" };
        self.row([goal.to_owned()].into_iter().chain(results).chain([met.to_owned()]));
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
