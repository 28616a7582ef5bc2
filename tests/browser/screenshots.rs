//! Compares every page in every state with its half-size stored picture in tests/browser/screenshots.
//!
//! `UPDATE_SCREENSHOTS=1 cargo test --test integration browser::screenshots` takes all pictures again, including
//! the one in README.md. The comparison is coarse, so that other fonts and other versions of Chromium make no
//! difference.

use std::{collections::BTreeSet, env, fs, ops::RangeInclusive, path::Path};

use crate::{
    browser::{
        picture::{Difference, Picture},
        states::visit_all,
        webdriver::{Browser, browse},
    },
    support::service::tutorial,
};

/// The environment variable that makes the tests write the pictures.
const UPDATE: &str = "UPDATE_SCREENSHOTS";

const SIZES: [(u32, u32); 2] = [(1440, 900), (390, 844)];
const SCHEMES: [&str; 2] = ["light", "dark"];

/// The pictures in documents, each with its page state, size and file.
const IN_DOCUMENTS: [(&str, (u32, u32), &str); 1] = [("docs-response", (1100, 1440), "docs/swagger-ui.png")];

/// The height of the part of a page that is compared, in pixels.
const MAX_HEIGHT: u64 = 3000;

/// The maximum number of pictures that are taken of a page before it is reported as different.
const ATTEMPTS: usize = 5;

/// The scale of the stored pictures.
const HALF: f64 = 0.5;

/// The maximum fraction of a page that may become empty or cease to be empty.
const MAX_MOVED: f64 = 0.005;
/// The maximum fraction of a page that may have a different color.
const MAX_RECOLORED: f64 = 0.1;
/// The maximum fraction of the colorful pixels that may have a different color.
const MAX_RETINTED: f64 = 0.25;
/// The allowed height of a page, as a fraction of the height of its stored picture.
const HEIGHTS: RangeInclusive<f64> = 0.88..=1.12;

/// Replaces the parts of texts that differ between runs. [`UNMASK`] restores them.
const MASK: &str = r"
    const masks = [
        [/(127\.0\.0\.1|localhost):\d+/g, '127.0.0.1:8000'],
        [/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJqb2huZG9lIn0.c2lnbmF0dXJl'],
        [/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g, '01890000-0000-7000-8000-000000000000'],
        [/\w{3}, ?\d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT/g, 'Mon, 04 May 2026 12:00:00 GMT'],
        [/\d{4}-\d{2}-\d{2}([T ])\d{2}:\d{2}:\d{2}/g, '2026-05-04$112:00:00'],
        [/\b\d+(\.\d+)? ms\b/g, '5 ms'],
    ];
    const masked = window.masked ??= [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const node = texts.currentNode, text = node.data;
        node.data = masks.reduce((text, [pattern, fixed]) => text.replace(pattern, fixed), text);
        if (node.data !== text) masked.push([node, text]);
    }";
const UNMASK: &str = "for (const [node, text] of window.masked.splice(0)) node.data = text;";

/// Returns why a page does not look like its stored picture, or `None` if it does.
fn problem(Difference { recolored, retinted, moved, height }: Difference) -> Option<String> {
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    if !HEIGHTS.contains(&height) {
        return Some(format!("its height is {} of the stored one", percent(height)));
    }
    let parts = [
        (moved, MAX_MOVED, "of it became empty or is no longer empty"),
        (recolored, MAX_RECOLORED, "of it has a different color"),
        (retinted, MAX_RETINTED, "of its colorful pixels have a different color"),
    ];
    let (part, _, what) = parts.into_iter().find(|(part, limit, _)| part > limit)?;
    Some(format!("{} {what}", percent(part)))
}

/// Compares a page with its stored picture. If they differ, writes the new picture, and a copy of it in which the
/// differences are marked.
fn check(file: &Path, taken: &Picture) -> Result<(), String> {
    let stored = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let stored = Picture::read(&stored);
    let Some(problem) = problem(stored.difference(taken)) else { return Ok(()) };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    fs::create_dir_all(&folder).unwrap();
    let files = [("actual", taken), ("difference", &stored.marked(taken))].map(|(kind, picture)| {
        let name = format!("{}-{kind}.png", file.file_stem().unwrap().display());
        fs::write(folder.join(&name), picture.write()).unwrap();
        name
    });
    Err(format!("{problem}: see {} in {}", files.join(" and "), folder.display()))
}

/// Takes a picture of the page, at most `max_height` high, with fixed values instead of times and random values.
async fn shoot(browser: &Browser, max_height: u64, scale: f64) -> Picture {
    browser.run(MASK).await;
    let picture = Picture::read(&browser.picture(max_height, scale).await);
    browser.run(UNMASK).await;
    picture
}

#[test]
fn pages_match_their_stored_screenshots() {
    let is_update = env::var_os(UPDATE).is_some();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stored = root.join("tests/browser/screenshots");
    fs::create_dir_all(&stored).unwrap();
    let mut unused: BTreeSet<_> = fs::read_dir(&stored).unwrap().map(|file| file.unwrap().path()).collect();
    let mut problems = Vec::new();
    browse(async |browser| {
        visit_all(browser, async |state| {
            for (width, height) in SIZES {
                browser.resize(width, height);
                for scheme in SCHEMES {
                    browser.prefer_color_scheme(scheme);
                    let name = format!("{state}-{width}-{scheme}");
                    let file = stored.join(&name).with_extension("png");
                    unused.remove(&file);
                    if is_update {
                        let taken = shoot(browser, MAX_HEIGHT, HALF).await;
                        fs::write(&file, taken.write()).unwrap();
                        continue;
                    }
                    // A page may take some time to render completely.
                    let mut result = Ok(());
                    for _ in 0..ATTEMPTS {
                        result = check(&file, &shoot(browser, MAX_HEIGHT, HALF).await);
                        if result.is_ok() {
                            break;
                        }
                    }
                    if let Err(problem) = result {
                        problems.push(format!("{name}: {problem}"));
                    }
                }
            }
            for (page, size, file) in IN_DOCUMENTS {
                if is_update && page == state {
                    browser.resize(size.0, size.1);
                    browser.prefer_color_scheme("light");
                    fs::write(root.join(file), shoot(browser, size.1.into(), 1.0).await.write()).unwrap();
                }
            }
        })
        .await;
        if is_update {
            unused.iter().for_each(|file| fs::remove_file(file).unwrap());
        } else {
            problems
                .extend(unused.iter().map(|file| format!("{}: no page state has this name", file.display())));
        }
        assert!(problems.is_empty(), "{problems:#?}; if the new look is intended, set {UPDATE}=1");
    });
}

#[test]
fn comparison_reports_missing_parts_missing_styles_and_changed_colors_but_accepts_other_fonts() {
    let font = |font: &str| {
        format!("document.querySelectorAll('*').forEach((element) => element.style.fontFamily = '{font}')")
    };
    let display = |parts: &str, value: &str| {
        format!("document.querySelectorAll('{parts}').forEach((part) => part.style.display = '{value}')")
    };
    let accent = |color: &str| {
        format!(
            "document.documentElement.style.setProperty('--accent', '{color}');\
             document.querySelectorAll('.opblock-summary-method').forEach(({{ style }}) => style.background = '{color}')"
        )
    };
    let no_styles =
        |value: bool| format!("[...document.styleSheets].forEach((sheet) => sheet.disabled = {value})");
    browse(async |browser| {
        for (page, shown, [one, other]) in [
            ("", "#submit", ["#sign-in", ".terminal"]),
            ("docs", ".opblock", [".info", ".models, #operations-tag-Users"]),
        ] {
            browser.open(&format!("http://{}/{page}", tutorial())).await;
            browser.expect_displayed(shown).await;
            for (width, height) in SIZES {
                browser.resize(width, height);
                browser.prefer_color_scheme("light");
                let stored = Picture::read(&shoot(browser, MAX_HEIGHT, HALF).await.write());
                // The color scheme, a script that changes the page, one that undoes the change, and whether the
                // comparison must report a difference.
                for (scheme, change, undo, is_fault) in [
                    ("light", font("DejaVu Serif"), font(""), false),
                    ("light", font("DejaVu Sans Condensed"), font(""), false),
                    ("light", font("DejaVu Sans Mono"), font(""), false),
                    ("light", display(one, "none"), display(one, ""), true),
                    ("light", display(other, "none"), display(other, ""), true),
                    ("light", accent("#a92a19"), accent(""), true),
                    ("light", no_styles(true), no_styles(false), true),
                    ("dark", String::new(), String::new(), true),
                    ("light", String::new(), String::new(), false),
                ] {
                    browser.prefer_color_scheme(scheme);
                    browser.run(&change).await;
                    let difference = stored.difference(&shoot(browser, MAX_HEIGHT, HALF).await);
                    browser.run(&undo).await;
                    let found = problem(difference);
                    assert_eq!(
                        found.is_some(),
                        is_fault,
                        "/{page} at {width}, {scheme}, {change}: {difference:?}"
                    );
                }
            }
        }
    });
}
