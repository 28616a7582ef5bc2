//! Checks accessibility in light and dark mode: the pages must not violate any axe-core rule, except those that Swagger
//! UI itself violates.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{
    browser::{
        docs, pages, sessions, start_page,
        webdriver::{Browser, browse},
    },
    support::{node, service::tutorial, skip},
};

/// The axe-core rules that Swagger UI violates even without Gatepass's changes.
const OF_SWAGGER_UI: [&str; 2] = ["button-name", "scrollable-region-focusable"];

const SCHEMES: [&str; 2] = ["light", "dark"];

/// Returns the source of axe-core, which is installed with the packages of the interop suite.
fn axe() -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let script = node::install(&folder.join("package.json"), &folder.join("verify.mjs"));
    let script = script.inspect_err(|why| skip(why)).ok()?;
    Some(fs::read_to_string(script.with_file_name("node_modules/axe-core/axe.min.js")).expect("axe-core"))
}

/// Returns the rules that the page violates, each with the HTML of the first element that violates it.
async fn faults(browser: &Browser, axe: &str) -> BTreeSet<(String, String)> {
    browser.run(axe).await;
    let found = "axe.run({ resultTypes: ['violations'] })\
         .then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))";
    let found: Vec<(String, String)> = serde_json::from_value(browser.evaluate(found).await).unwrap();
    found.into_iter().collect()
}

/// Checks the page in light and in dark mode.
async fn expect_no_faults(browser: &Browser, axe: &str, page: &str) {
    for scheme in SCHEMES {
        browser.prefer_color_scheme(scheme);
        assert_eq!(faults(browser, axe).await, BTreeSet::new(), "{scheme} {page}");
    }
}

#[test]
fn documentation_and_its_dialog_have_no_accessibility_violations() {
    let Some(axe) = axe() else { return };
    browse(async |browser| {
        // The documentation of the secure profile contains everything that the documentation of the tutorial contains.
        let (_gatepass, service) = sessions::serve(&[]);
        // Swagger UI's colors change slowly, so the page is opened again for each scheme.
        for scheme in SCHEMES {
            let expect = async |allowed: &[&str], page: &str| {
                let mut faults = faults(browser, &axe).await;
                faults.retain(|(rule, _)| !allowed.contains(&rule.as_str()));
                assert_eq!(faults, BTreeSet::new(), "{scheme} {page}");
            };
            browser.prefer_color_scheme(scheme);
            browser.open("about:blank").await;
            docs::open(browser, &format!("http://{}/docs", service.address)).await;
            docs::fill_in(browser, "johndoe", "wrong").await;
            docs::submit(browser).await;
            docs::expect_error(browser, "Incorrect username or password").await;
            expect(&[], "dialog with an error").await;
            docs::close(browser).await;
            docs::authorize(browser, "johndoe", sessions::PASSPHRASE).await;
            expect(&[], "dialog of an authorized user").await;
            docs::close(browser).await;
            docs::try_out(browser).await;
            docs::execute(browser, 200, &sessions::profile(&service)).await;
            expect(&OF_SWAGGER_UI, "/docs").await;
        }
    });
}

#[test]
fn start_page_has_no_accessibility_violations() {
    let Some(axe) = axe() else { return };
    browse(async |browser| {
        browser.open(&format!("http://{}/", tutorial())).await;
        start_page::sign_in(browser, "johndoe", "wrong").await;
        start_page::expect_error(browser, "Incorrect username or password").await;
        expect_no_faults(browser, &axe, "start page with an error").await;
        start_page::sign_in(browser, "johndoe", "secret").await;
        browser.expect_displayed("#profile").await;
        browser.click("#requests li:first-child summary").await;
        expect_no_faults(browser, &axe, "start page, signed in").await;
    });
}

#[test]
fn sign_in_and_account_pages_have_no_accessibility_violations() {
    let Some(axe) = axe() else { return };
    browse(async |browser| {
        // The default color, and one that is hard to read on white and on black.
        for color in ["#0b5a44", "#808080"] {
            let (_gatepass, service) =
                sessions::serve(&["--brand-color", color, "--help-url", "mailto:help@example.com"]);
            sessions::sign_in_elsewhere(&service);
            let page = |name: &str| format!("{name} in {color}");
            browser.open(&format!("http://{}/nothing/here", service.address)).await;
            expect_no_faults(browser, &axe, &page("404")).await;
            browser.open(&format!("http://{}/login?done=signed-out", service.address)).await;
            browser.expect_displayed("main .message").await;
            expect_no_faults(browser, &axe, &page("/login")).await;
            pages::submit(browser, "johndoe", "wrong").await;
            browser.expect_displayed("main .error").await;
            expect_no_faults(browser, &axe, &page("/login with an error")).await;
            pages::sign_in(browser, &service).await;
            expect_no_faults(browser, &axe, &page("/account")).await;
            browser.click("[data-dialog=end-other] button").await;
            browser.expect_displayed("dialog[open]").await;
            expect_no_faults(browser, &axe, &page("/account with a dialog")).await;
            browser.click("dialog[open] .button").await;
            browser.click("[action$='account/password'] .primary").await;
            browser.fill("#new-password", "x").await;
            browser.fill("#current-password", "wrong").await;
            browser.click("[action$='account/password'] .primary").await;
            browser.expect_displayed(".field-error").await;
            expect_no_faults(browser, &axe, &page("/account with an error")).await;
            browser.click("header button").await;
            browser.expect_displayed("#username").await;
        }
    });
}
