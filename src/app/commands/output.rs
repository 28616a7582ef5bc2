//! The output of commands.

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, BufWriter, StdoutLock, Write},
};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::{adapters::sql::is_hidden, app::failure::Failure};

/// The style of failures.
pub(super) const FAILED: Style = AnsiColor::Red.on_default();
/// The style of successful results.
pub(super) const IN_ORDER: Style = AnsiColor::Green.on_default();
/// The style of items that are not in use, such as disabled users.
pub(super) const UNUSED: Style = Style::new().dimmed();
pub(super) const PLAIN: Style = Style::new();
const HEADER: Style = Style::new().bold();

/// Buffered standard output. Styles are written only to a terminal, and not if `NO_COLOR` is set. If the reader closes
/// the pipe, as `head` does, the command ends with exit code 0.
pub(super) struct Output(BufWriter<AutoStream<StdoutLock<'static>>>);

impl Output {
    pub(super) fn new() -> Self {
        Self(BufWriter::new(AutoStream::auto(io::stdout().lock())))
    }

    pub(super) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.0, "{line}").map_err(Failure::output)
    }

    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(serde_json::to_string(value)?)
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(Failure::output)
    }
}

/// The output of a list: a line of JSON for each item, or a table with aligned columns. The width of text is measured
/// as terminals show it: some characters are twice as wide, and others are invisible.
pub(super) struct List<const N: usize> {
    pub(super) output: Output,
    is_table: bool,
    rows: Vec<(Style, [String; N])>,
    widths: [usize; N],
}

impl<const N: usize> List<N> {
    /// The number of rows that are buffered to measure the columns. Later rows can only widen the columns.
    const AHEAD: usize = 500;
    /// The maximum width of a column. A longer cell shifts the rest of its row.
    const MAX_WIDTH: usize = 40;

    pub(super) fn new(json: bool, header: [&str; N]) -> Self {
        let mut list = Self { output: Output::new(), is_table: !json, rows: Vec::new(), widths: [0; N] };
        if list.is_table {
            list.push(HEADER, header.map(str::to_owned));
        }
        list
    }

    pub(super) fn item<J: Serialize>(
        &mut self,
        object: impl FnOnce() -> J,
        row: impl FnOnce() -> (Style, [String; N]),
    ) -> Result<(), Failure> {
        if !self.is_table {
            return self.output.json(&object());
        }
        if self.rows.len() == Self::AHEAD {
            self.print_rows()?;
        }
        let (style, cells) = row();
        self.push(style, cells);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.print_rows()?;
        self.output.finish()
    }

    /// Prints the buffered rows.
    fn print_rows(&mut self) -> Result<(), Failure> {
        for (style, cells) in self.rows.drain(..) {
            let padded = cells
                .iter()
                .zip(self.widths)
                .map(|(cell, width)| format!("{cell}{:1$}", "", width.saturating_sub(cell.width())));
            let line = padded.collect::<Vec<_>>().join("  ");
            self.output.line(format_args!("{style}{}{style:#}", line.trim_end()))?;
        }
        Ok(())
    }

    fn push(&mut self, style: Style, cells: [String; N]) {
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = cell.width().min(Self::MAX_WIDTH).max(*width);
        }
        self.rows.push((style, cells));
    }
}

/// Prints text and a line break.
pub(super) fn print(line: impl Display) -> Result<(), Failure> {
    let mut output = Output::new();
    output.line(line)?;
    output.finish()
}

/// Prints a value as one line of JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(serde_json::to_string(value)?)
}

/// Formats a number of users: `1 user`, `2 users`.
pub(super) fn user_count(count: u64) -> String {
    format!("{count} user{}", if count == 1 { "" } else { "s" })
}

/// Escapes control characters and invisible characters, so that untrusted text cannot control the terminal.
pub(super) fn escaped(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { c.escape_unicode().to_string() } else { c.into() }).collect()
}

/// Formats a record of a CSV file, without the line break.
pub(super) fn csv_line<T: AsRef<[u8]>>(cells: impl IntoIterator<Item = T>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail.
    let _ = writer.write_record(cells);
    let line = String::from_utf8_lossy(&writer.into_inner().unwrap_or_default()).into_owned();
    line.strip_suffix('\n').map(str::to_owned).unwrap_or(line)
}

/// Returns whether a spreadsheet would treat `text` as a formula if it had no leading single quotes.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// Puts a single quote before a string that a spreadsheet would treat as a formula
/// ([CSV injection](https://owasp.org/www-community/attacks/CSV_Injection)). [`unescape_formula`] removes it.
pub(super) fn escape_formula(text: &str) -> Cow<'_, str> {
    if is_formula(text) { format!("'{text}").into() } else { text.into() }
}

/// Returns the text that [`escape_formula`] was called with.
pub(super) fn unescape_formula(text: &str) -> &str {
    text.strip_prefix('\'').filter(|text| is_formula(text)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_cells_are_not_formulas_and_can_be_unescaped() {
        for text in
            ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''-x", "'", "plain", "", "a=b", "'a"]
        {
            let escaped = escape_formula(text);
            assert!(!escaped.starts_with(['=', '+', '-', '@', '\t', '\r']), "{escaped:?}");
            assert_eq!(unescape_formula(&escaped), text);
        }
    }
}
