//! The package: its files, and the relative links of README.md in the repository and on crates.io.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A link or an image of a Markdown page.
struct Link<'a> {
    target: &'a str,
    is_image: bool,
}

/// Returns the links of a page outside of code: `[text](target)`, `![text](target)`, and `src` and `href` of HTML.
fn links(page: &str) -> Vec<Link<'_>> {
    let mut links = Vec::new();
    for (number, part) in page.split("```").enumerate() {
        if number % 2 == 1 {
            continue;
        }
        for (start, _) in part.match_indices("](") {
            let target = part[start + 2..].split([')', ' ']).next().unwrap_or_default();
            let text = part[..start].rfind('[').unwrap_or_default();
            links.push(Link { target, is_image: part[..text].ends_with('!') });
        }
        for (attribute, is_image) in [("src=\"", true), ("href=\"", false)] {
            let values = part.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
            links.extend(values.map(|target| Link { target, is_image }));
        }
    }
    links
}

/// Returns the anchors of a page's headings, as GitHub and crates.io name them.
fn anchors(page: &str) -> BTreeSet<String> {
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let is_kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        text.chars().filter(is_kept).collect::<String>().replace(' ', "-")
    };
    page.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Returns the files of the package.
fn packaged() -> BTreeSet<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["package", "--list", "--offline", "--allow-dirty"]).current_dir(root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn is_url(target: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

#[test]
fn relative_links_of_the_readme_resolve() {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let links = links(&page);
    assert!(links.len() > 10, "only {} links found", links.len());
    for link in links.iter().filter(|link| !is_url(link.target)) {
        let (path, anchor) = link.target.split_once('#').unwrap_or((link.target, ""));
        let file = root().join(if path.is_empty() { "README.md" } else { path });
        assert!(file.exists(), "{} does not exist", link.target);
        if !anchor.is_empty() && file.extension().is_some_and(|extension| extension == "md") {
            let headings = anchors(&fs::read_to_string(&file).unwrap());
            assert!(headings.contains(anchor), "{} has no heading {anchor}: {headings:?}", file.display());
        }
    }
}

#[test]
fn images_and_pages_that_the_readme_links_to_are_in_the_package() {
    let packaged = packaged();
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    for Link { target, is_image } in links(&page) {
        let path = target.split('#').next().unwrap_or_default();
        let is_page = Path::new(path).extension().is_some_and(|extension| extension == "md");
        if !is_url(target) && (is_image || is_page) {
            assert!(packaged.contains(path), "{path} is not in the package: {packaged:?}");
        }
    }
}

#[test]
fn package_contains_the_program_and_no_tests() {
    let packaged = packaged();
    for file in [
        "src/main.rs",
        "Cargo.lock",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "static/docs.html",
        "packaging/gatepass.service",
    ] {
        assert!(packaged.contains(file), "{file} is not in {packaged:?}");
    }
    for folder in ["tests/", "benches/", "fuzz/", ".ci/", "target/"] {
        let file = packaged.iter().find(|file| file.starts_with(folder));
        assert!(file.is_none(), "{file:?}");
    }
}

#[test]
fn links_finds_links_images_and_attributes_but_no_code() {
    let page = "[a](b.md#c) ![d](e.png \"f\")\n```\n[g](h)\n```\n<img src=\"i.png\"> <a href=\"j\">k</a>";
    let found: Vec<_> = links(page).iter().map(|link| (link.target, link.is_image)).collect();
    assert_eq!(found, [("b.md#c", false), ("e.png", true), ("i.png", true), ("j", false)]);
}
