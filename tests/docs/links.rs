//! Checks the documentation: links resolve, the summary lists every page, the tests that pages name exist, and Rust
//! code is compiled.

use std::collections::HashSet;

use crate::docs::page::{names, read, root, split};

/// The Markdown files outside of docs/ whose links are checked too.
const OTHERS: [&str; 4] = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];

/// Returns the targets of the links and images of a page, except those in HTML comments.
pub fn targets(text: &str) -> Vec<String> {
    let mut visible = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        visible.push_str(before);
        rest = comment.split_once("-->").expect("the end of a comment").1;
    }
    visible.push_str(rest);
    let ends = visible.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.to_owned()).collect()
}

/// Returns the anchors of a page's headings, as mdBook and GitHub generate them.
fn anchors(text: &str) -> HashSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| -> String {
        let line = line.trim_start_matches('#').trim().to_lowercase();
        let kept = line.chars().filter(|c| c.is_alphanumeric() || ['-', '_', ' '].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn relative_links_and_anchors_resolve() {
    let pages = names().into_iter().map(|name| format!("docs/{name}"));
    let mut count = 0;
    for path in pages.chain(OTHERS.map(str::to_owned)) {
        let (_, text) = split(&read(&path));
        let folder = if path.starts_with("docs/") { "docs/" } else { "" };
        for target in targets(&text) {
            if target.starts_with("https://") || target.starts_with("http://") {
                continue;
            }
            count += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let linked = if file.is_empty() { path.clone() } else { format!("{folder}{file}") };
            assert!(root().join(&linked).exists(), "{path} links to {target}, which does not exist");
            // mdBook turns a link to a .md file outside of docs/ into a link to a page that does not exist.
            let leaves_the_book = folder == "docs/" && file.starts_with("../") && file.ends_with(".md");
            assert!(!leaves_the_book, "{path} links to {target}, which is not a page of the book");
            if !anchor.is_empty() {
                let (_, linked) = split(&read(&linked));
                assert!(anchors(&linked).contains(anchor), "{path} links to {target}: no such heading");
            }
        }
    }
    assert!(count > 100, "expected more than 100 links, found {count}");
}

#[test]
fn summary_lists_every_page() {
    let listed: HashSet<_> = targets(&read("docs/SUMMARY.md")).into_iter().collect();
    let pages: HashSet<_> = names().into_iter().filter(|name| name != "SUMMARY.md").collect();
    assert_eq!(listed, pages);
}

/// Returns whether `folder` contains a module or a test with this path.
fn has_module_or_test(folder: &str, path: &str) -> bool {
    let file = |path: &str| {
        let path = format!("{folder}/{}", path.replace("::", "/"));
        [format!("{path}.rs"), format!("{path}/mod.rs")].into_iter().find(|file| root().join(file).exists())
    };
    let Some((module, name)) = path.rsplit_once("::") else { return file(path).is_some() };
    // Unit tests are in a module `tests`, which may be in the file of its parent.
    let module = file(module).or_else(|| file(module.strip_suffix("::tests")?));
    file(path).is_some() || module.is_some_and(|module| read(&module).contains(&format!("fn {name}(")))
}

#[test]
fn tests_named_on_pages_exist() {
    let mut count = 0;
    for page in names() {
        let text = read(&format!("docs/{page}"));
        for code in text.split('`').skip(1).step_by(2) {
            let (folder, path) = match code.split_once(' ') {
                Some(("integration", path)) => ("tests", path),
                Some(("hashing", path)) => ("tests/hashing", path),
                Some(("unit", path)) => ("src", path),
                _ => continue,
            };
            // On the page that explains this notation, X stands for a test.
            if path != "X" {
                assert!(has_module_or_test(folder, path), "docs/{page} names {code}, which does not exist");
                count += 1;
            }
        }
    }
    assert!(count > 100, "expected more than 100 tests, found {count}");
}

#[test]
fn every_page_with_rust_is_compiled() {
    let library = read("src/lib.rs");
    for name in names() {
        let (blocks, _) = split(&read(&format!("docs/{name}")));
        let has_rust =
            blocks.iter().any(|block| block.language() == "rust" && block.attribute("ignore").is_none());
        let is_compiled = library.contains(&format!("include_str!(\"../docs/{name}\")"));
        assert_eq!(has_rust, is_compiled, "{name}: src/lib.rs must include exactly the pages with Rust");
    }
}
