//! docs/BENCHMARKS.md, where each benchmark has a place between two markers.

use std::{fmt::Display, fs};

use super::Failure;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/BENCHMARKS.md");

/// Puts `figures` where `command` writes them.
pub fn write(command: &str, figures: &dyn Display) -> Result<(), Failure> {
    let begin = format!("<!-- written by {command} -->\n");
    let end = format!("<!-- end of what {command} has written -->\n");
    let page = fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))?;
    let written = page.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{begin}\n{figures}\n{end}{after}"))
    });
    let written = written.ok_or_else(|| format!("{PAGE} has lost its markers: {begin}{end}"))?;
    fs::write(PAGE, written).map_err(|error| format!("{PAGE}: {error}"))
}
