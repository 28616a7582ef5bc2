//! docs/BENCHMARKS.md and its like, where each benchmark has a place between two markers.

use std::{fmt::Display, fs};

use super::Failure;

/// Puts `figures` where `command` writes them in this page of docs.
pub fn write(page: &str, command: &str, figures: &dyn Display) -> Result<(), Failure> {
    let file = format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let begin = format!("<!-- written by {command} -->\n");
    let end = format!("<!-- end of what {command} has written -->\n");
    let page = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let written = page.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{begin}\n{figures}\n{end}{after}"))
    });
    let written = written.ok_or_else(|| format!("{file} has lost its markers: {begin}{end}"))?;
    fs::write(&file, written).map_err(|error| format!("{file}: {error}"))
}
