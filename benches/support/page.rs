//! The pages of docs/ that contain results. Each benchmark writes between its own pair of markers.

use std::{fmt::Display, fs};

use super::Result;

/// Writes the results of this benchmark into a page.
pub fn write(page: &str, results: &dyn Display) -> Result<()> {
    let file = format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let command = concat!("cargo bench --bench ", env!("CARGO_CRATE_NAME"), " -- --write");
    let begin = format!("<!-- begin: {command} -->\n");
    let end = format!("<!-- end: {command} -->\n");
    let page = fs::read_to_string(&file)?;
    let parts = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?)));
    let Some((before, (_, after))) = parts else {
        return Err(format!("{file} lacks the markers {begin}{end}").into());
    };
    Ok(fs::write(&file, format!("{before}{begin}\n{results}\n{end}{after}"))?)
}
