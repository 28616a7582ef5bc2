//! The sign-in and account pages of the secure profile.

use serde_json::json;

use crate::{
    browser::{
        docs, prefix,
        sessions::{NEW_PASSPHRASE, PASSPHRASE, profile, serve, sign_in_elsewhere},
        webdriver::{Browser, ENTER, ESCAPE, TAB, browse},
    },
    support::secure_profile::{JOHNDOE, Service},
};

const PHONE: (u32, u32) = (320, 640);

/// A square image without an intrinsic size.
const LOGO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/static/favicon.svg");

fn url(service: &Service, path: &str) -> String {
    format!("http://{}/{path}", service.address)
}

/// Fills in and submits the form on the sign-in page.
pub async fn submit(browser: &Browser, username: &str, password: &str) {
    browser.fill("#username", username).await;
    browser.fill("#password", password).await;
    browser.click(".primary").await;
}

/// Opens the sign-in page and signs johndoe in.
pub async fn sign_in(browser: &Browser, service: &Service) {
    browser.open(&url(service, "")).await;
    submit(browser, "johndoe", PASSPHRASE).await;
    browser.expect_text("h1", "John Doe").await;
}

async fn expect_url(browser: &Browser, expected: &str) {
    browser.expect("the URL", expected.to_owned(), async || browser.url().await).await;
}

/// Expects the notice, which screen readers announce.
async fn expect_notice(browser: &Browser, text: &str) {
    browser.expect_text("main > [role=status]", text).await;
}

pub async fn expect_sessions(browser: &Browser, count: usize) {
    let number = "document.querySelectorAll('form[data-dialog^=end-] [name=session]').length";
    browser.expect("the sessions", json!(count), async || browser.evaluate(number).await).await;
}

pub async fn change_password(browser: &Browser, current: &str, new: &str) {
    browser.fill("#current-password", current).await;
    browser.fill("#new-password", new).await;
    browser.click("[action$='account/password'] .primary").await;
}

#[test]
fn user_stays_signed_in_across_reloads_tabs_and_documentation_until_sign_out() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        browser.open(&url(&service, "")).await;
        expect_url(browser, &url(&service, "login")).await;
        browser.expect_focus("#username").await;
        submit(browser, "johndoe", "wrong").await;
        browser.expect_text("[role=alert]", "The username or password is wrong.").await;
        browser.expect_focus("#password").await;
        assert_eq!(browser.evaluate("document.title").await, "Error: Sign in – 127.0.0.1");
        assert_eq!(browser.evaluate("document.querySelector('#username').value").await, "johndoe");
        browser.fill("#password", PASSPHRASE).await;
        let press = "document.querySelector('#password').dispatchEvent(new KeyboardEvent('keydown', \
             { key: 'A', bubbles: true, modifierCapsLock: LOCKED }))";
        browser.run(&press.replace("LOCKED", "true")).await;
        browser.expect_text("#caps-lock", "Caps Lock is on.").await;
        browser.run(&press.replace("LOCKED", "false")).await;
        browser.expect_hidden("#caps-lock").await;
        browser.click(".toggle").await;
        assert_eq!(browser.evaluate("document.querySelector('#password').type").await, "text");
        browser.click(".primary").await;
        expect_url(browser, &url(&service, "account")).await;
        expect_sessions(browser, 1).await;
        browser.expect_text(".entries time", "now").await;
        assert_eq!(
            browser.evaluate("document.cookie").await,
            "",
            "scripts should not be able to read the cookie"
        );

        browser.reload().await;
        browser.expect_text("h1", "John Doe").await;
        let first = browser.new_tab().await;
        browser.open(&url(&service, "")).await;
        expect_url(browser, &url(&service, "account")).await;
        docs::open(browser, &url(&service, "docs")).await;
        docs::try_out(browser).await;
        docs::execute(browser, 200, &profile(&service)).await;
        browser.open(&url(&service, "login?next=/users/me")).await;
        expect_url(browser, &url(&service, "users/me")).await;
        browser.open(&url(&service, "")).await;
        browser.click("header button").await;
        expect_notice(browser, "You have signed out.").await;
        browser.close_tab(first).await;
        // Until it is reloaded, the first tab may still show the account page.
        browser.reload().await;
        browser.expect_displayed("#username").await;
        assert!(!browser.text("body").await.contains("John Doe"));
        // Going back does not show the account page either.
        browser.back().await;
        browser.expect_hidden("[data-personal]").await;
    });
}

#[test]
fn account_page_of_the_previous_user_does_not_stay_visible() {
    browse(async |browser| {
        let (gatepass, service) = serve(&[]);
        gatepass.add("alice", &["--scopes", "me"]).done();
        sign_in(browser, &service).await;
        let first = browser.new_tab().await;
        browser.open(&url(&service, "account")).await;
        browser.click("header button").await;
        submit(browser, "alice", "alice's own passphrase").await;
        browser.expect_text("h1", "alice").await;
        browser.close_tab(first).await;
        // Simulates restoring the page from the back/forward cache.
        browser.run("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))").await;
        browser.expect_text("h1", "alice").await;
    });
}

#[test]
fn sign_in_and_account_pages_are_usable_by_keyboard() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        sign_in_elsewhere(&service);
        browser.open(&url(&service, "")).await;
        browser.expect_focus("#username").await;
        browser.press(&format!("johndoe{TAB}{PASSPHRASE}{ENTER}")).await;
        expect_sessions(browser, 2).await;
        // Neither Escape nor an immediate Enter ends the session, because the focus is on the Cancel button.
        for key in [ESCAPE, ENTER, TAB] {
            browser.tab_to("[data-dialog=end-other] button").await;
            browser.press(ENTER).await;
            browser.expect_text("dialog[open] .device", "curl/8.14.1").await;
            browser.expect_focus("dialog[open] [type=button]").await;
            if key == TAB {
                browser.tab_to("dialog[open] .primary").await;
                browser.press(ENTER).await;
            } else {
                browser.press(key).await;
                browser.expect_hidden("dialog[open]").await;
                expect_sessions(browser, 2).await;
            }
        }
        expect_notice(browser, "The session has ended.").await;
        expect_sessions(browser, 1).await;
        expect_url(browser, &url(&service, "account")).await;

        browser.tab_to("#current-password").await;
        browser.press(&format!("{PASSPHRASE}{TAB}short")).await;
        browser.expect_text(".length span", "5 of at least 15 characters").await;
        browser.press(ENTER).await;
        browser.expect_text("#new-error", "The new password must have at least 15 characters.").await;
        browser.expect_focus("#new-password").await;
        browser.press(NEW_PASSPHRASE).await;
        browser.tab_to("#current-password").await;
        browser.press(&format!("wrong{ENTER}")).await;
        browser.expect_text("#current-error", "The current password is wrong.").await;
        browser.expect_focus("#current-password").await;
        browser.press(&format!("{PASSPHRASE}{TAB}{NEW_PASSPHRASE}{ENTER}")).await;
        expect_notice(browser, "Your password was changed. All other sessions have ended.").await;
        assert_eq!(service.sign_in(JOHNDOE).status, 400);

        browser.tab_to("header button").await;
        browser.press(ENTER).await;
        expect_notice(browser, "You have signed out.").await;
    });
}

#[test]
fn sign_in_and_account_pages_work_without_scripts() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&["--brand-color", "#ffee00", "--brand-logo", LOGO]);
        sign_in_elsewhere(&service);
        browser.enable_scripts(false);
        browser.open(&url(&service, "")).await;
        let size = "[document.images[0].clientWidth, document.images[0].clientHeight]";
        browser.expect("the logo", json!([56, 56]), async || browser.evaluate(size).await).await;
        browser.expect_hidden(".toggle").await;
        submit(browser, "johndoe", "wrong").await;
        browser.expect_text("[role=alert]", "The username or password is wrong.").await;
        submit(browser, "johndoe", PASSPHRASE).await;
        expect_sessions(browser, 2).await;
        assert!(browser.text(".entries time").await.ends_with(" UTC"));
        browser.click("[data-dialog=end-other] button").await;
        browser.expect_text(".device", "curl/8.14.1").await;
        browser.click("main .button").await;
        browser.click("[data-dialog=end-other] button").await;
        browser.expect_text("h1", "End this session?").await;
        browser.click(".primary").await;
        expect_notice(browser, "The session has ended.").await;
        expect_sessions(browser, 1).await;

        change_password(browser, PASSPHRASE, "short").await;
        browser.expect_text("#new-error", "The new password must have at least 15 characters.").await;
        change_password(browser, PASSPHRASE, NEW_PASSPHRASE).await;
        expect_notice(browser, "Your password was changed. All other sessions have ended.").await;
        assert_eq!(service.sign_in(JOHNDOE).status, 400);
        browser.click("header button").await;
        expect_notice(browser, "You have signed out.").await;
        submit(browser, "johndoe", NEW_PASSPHRASE).await;
        browser.click("[data-dialog=end-all] button").await;
        browser.expect_text("h1", "Sign out everywhere?").await;
        browser.click(".primary").await;
        expect_notice(browser, "You have signed out everywhere.").await;
        browser.enable_scripts(true);
    });
}

#[test]
fn sign_in_page_counts_down_while_throttled_and_submits_even_if_the_browser_reports_that_it_is_offline() {
    browse(async |browser| {
        let (_gatepass, service) =
            serve(&["--login-throttle=on", "--login-throttle-account-failures=1", "--language=de"]);
        browser.open(&url(&service, "login")).await;
        for _ in 0..5 {
            submit(browser, "johndoe", "wrong").await;
            browser.expect_displayed("[role=alert]").await;
            if browser.is_displayed("#wait").await {
                break;
            }
        }
        browser.expect_text("[role=alert]", "Zu viele Versuche.").await;
        browser.expect_text("#wait", "Sie können es jetzt erneut versuchen.").await;
        assert_eq!(browser.evaluate("document.querySelector('.primary').disabled").await, false);
        browser.go_offline(true);
        browser.expect_displayed("#offline").await;
        browser.go_offline(false);
        browser.expect_hidden("#offline").await;
        // The browser wrongly reports that it is offline.
        browser.run("Object.defineProperty(navigator, 'onLine', { value: false }); dispatchEvent(new Event('offline'))").await;
        browser.expect_displayed("#offline").await;
        submit(browser, "johndoe", PASSPHRASE).await;
        browser.expect_text("h1", "John Doe").await;
        browser.expect_text("#sessions", "Wo Sie angemeldet sind").await;
        assert_eq!(browser.evaluate("document.documentElement.lang").await, "de");
    });
}

#[test]
fn names_are_not_interpreted_as_html_and_pages_under_a_path_prefix_fit_a_small_screen() {
    browse(async |browser| {
        let (gatepass, service) = serve(&[]);
        let name = format!("<img src=x onerror=alert(1)> علی\u{200c}رضا{}", "x".repeat(100));
        gatepass.done(&["users", "set", "johndoe", "--full-name", &name]);
        let root = format!("http://{}{}", prefix::proxy(service.address), prefix::PREFIX);
        let (width, height) = PHONE;
        browser.resize(width, height);
        browser.accept_language("de-CH").await;
        browser.open(&format!("{root}/")).await;
        expect_url(browser, &format!("{root}/login")).await;
        browser.expect_text("h1", "Anmelden").await;
        submit(browser, "<b>nobody</b>", "wrong").await;
        browser.expect_displayed("[role=alert]").await;
        submit(browser, "johndoe", PASSPHRASE).await;
        expect_url(browser, &format!("{root}/account")).await;
        browser.expect_text("h1", &name).await;
        assert_eq!(browser.evaluate("document.images.length").await, 0);
        let widths =
            "[document.documentElement.scrollWidth <= innerWidth, getComputedStyle(document.body).display]";
        assert_eq!(browser.evaluate(widths).await, json!([true, "flex"]));
        change_password(browser, "wrong", NEW_PASSPHRASE).await;
        browser.expect_text("#current-error", "Das aktuelle Passwort ist falsch.").await;
        assert_eq!(browser.evaluate(widths).await, json!([true, "flex"]));
        browser.open(&format!("{root}/nothing/here")).await;
        browser.expect_text("h1", "Seite nicht gefunden").await;
        assert_eq!(browser.evaluate(widths).await, json!([true, "flex"]));
        browser.click("main a").await;
        browser.click("header button").await;
        expect_notice(browser, "Sie haben sich abgemeldet.").await;
    });
}
