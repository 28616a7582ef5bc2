//! The pages of docs/, and their code blocks.

use std::{env, fs, path::PathBuf};

/// Returns the directory of the repository.
pub fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Reads a file of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

/// Returns the names of all pages, sorted.
pub fn names() -> Vec<String> {
    let files = fs::read_dir(root().join("docs")).expect("docs").flatten();
    let names = files.map(|file| file.file_name().into_string().expect("UTF-8"));
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".md")).collect();
    names.sort();
    names
}

/// A fenced code block.
#[derive(Debug)]
pub struct Block {
    /// The language and the attributes, such as `sh,norun`.
    pub info: String,
    pub text: String,
    /// The line of the opening fence.
    pub line: usize,
}

impl Block {
    pub fn language(&self) -> &str {
        self.info.split(',').next().unwrap_or_default()
    }

    /// Returns the value of an attribute, which is empty for an attribute without `=`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes =
            self.info.split(',').skip(1).map(|text| text.split_once('=').unwrap_or((text, "")));
        attributes.find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

/// Returns the code blocks of a page, and its text without them.
pub fn split(page: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut text) = (Vec::<Block>::new(), String::new());
    let mut is_open = false;
    for (index, line) in page.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            is_open = !is_open;
            if is_open {
                blocks.push(Block { info: info.to_owned(), text: String::new(), line: index + 1 });
            }
        } else if is_open {
            let block = blocks.last_mut().expect("an open block");
            block.text.push_str(line);
            block.text.push('\n');
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    assert!(!is_open, "a code block is not closed");
    (blocks, text)
}

/// Compares the generated part of a page with the expected text, or writes it if `UPDATE_DOCS` is set.
pub fn expect_generated(page: &str, name: &str, expected: &str) {
    let path = format!("docs/{page}");
    let (begin, end) = (format!("<!-- begin: {name} -->\n"), format!("<!-- end: {name} -->\n"));
    let text = read(&path);
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?)));
    let (before, (_, after)) = parts.unwrap_or_else(|| panic!("{path} lacks the markers {begin}{end}"));
    let current = format!("{before}{begin}\n{}\n\n{end}{after}", expected.trim());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(&path), current).expect("a page");
    } else {
        let command = "UPDATE_DOCS=1 cargo test --test integration docs::reference";
        assert!(text == current, "{path} is out of date; update it with `{command}`");
    }
}
