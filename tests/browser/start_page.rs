//! The start page at `/`.

use serde_json::{Value, json};

use crate::{
    browser::webdriver::{Browser, ENTER, TAB, browse},
    support::service::tutorial,
};

const DESKTOP: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);
const SMALL_PHONE: (u32, u32) = (360, 740);

fn start() -> String {
    format!("http://{}/", tutorial())
}

pub async fn sign_in(browser: &Browser, username: &str, password: &str) {
    browser.fill("#username", username).await;
    browser.fill("#password", password).await;
    browser.click("#submit").await;
}

async fn expect_signed_out(browser: &Browser) {
    browser.expect_displayed("#sign-in").await;
    browser.expect_hidden("#profile").await;
    browser.expect_hidden("#sign-out").await;
    browser.expect_hidden("#token").await;
    let kept = "['#token', '#profile', '#username', '#password'].map((css) => document.querySelector(css))\
         .map((element) => element.value ?? element.querySelector('dl')?.textContent ?? element.textContent)";
    assert_eq!(browser.evaluate(kept).await, json!(["", "", "", ""]), "the page still contains user data");
}

/// Asserts that the page stored nothing and did not change its URL.
async fn expect_no_traces(browser: &Browser) {
    assert_eq!(browser.stored().await, Vec::<Value>::new());
    assert_eq!(browser.url().await, start());
    assert_eq!(browser.evaluate("history.state").await, Value::Null);
}

#[test]
fn sign_in_and_out_work_on_a_desktop() {
    sign_in_and_out(DESKTOP, "start-desktop");
}

#[test]
fn sign_in_and_out_work_on_a_small_phone() {
    sign_in_and_out(SMALL_PHONE, "start-small-phone");
}

#[test]
fn sign_in_and_out_work_on_a_phone() {
    sign_in_and_out(PHONE, "start-phone");
}

fn sign_in_and_out((width, height): (u32, u32), name: &str) {
    browse(async |browser| {
        browser.resize(width, height);
        browser.open(&start()).await;
        browser.expect_displayed("#insecure").await;
        browser.screenshot(name).await;
        expect_no_sideways_scroll(browser, width).await;

        sign_in(browser, "johndoe", "secret").await;
        browser.expect_displayed("#profile").await;
        browser.expect_text("#token", "johndoe").await;
        browser.expect_displayed("#sign-out").await;
        let profile = browser.text("#profile").await;
        for value in ["johndoe", "johndoe@example.com", "John Doe", "false", "fakehashedsecret"] {
            assert!(profile.contains(value), "no {value} in {profile:?}");
        }
        assert_eq!(browser.text("#error").await, "");
        expect_no_traces(browser).await;
        browser.evaluate("document.querySelector('#panel').scrollIntoView({ block: 'nearest' })").await;
        browser.screenshot(&format!("{name}-signed-in")).await;
        browser.click("#profile summary").await;
        expect_no_sideways_scroll(browser, width).await;

        browser.click("#sign-out").await;
        expect_signed_out(browser).await;
        expect_no_traces(browser).await;
    });
}

#[test]
fn wrong_password_shows_an_error_and_a_reload_signs_out() {
    browse(async |browser| {
        let (width, height) = SMALL_PHONE;
        browser.resize(width, height);
        browser.open(&start()).await;
        sign_in(browser, "johndoe", "wrong").await;
        expect_error(browser, "Incorrect username or password").await;
        browser.expect_hidden("#profile").await;
        browser.screenshot("start-wrong-password").await;
        expect_no_sideways_scroll(browser, width).await;
        expect_no_traces(browser).await;

        sign_in(browser, "johndoe", "secret").await;
        browser.expect_displayed("#profile").await;
        browser.expect_text("#error", "").await;
        browser.reload().await;
        expect_signed_out(browser).await;
    });
}

#[test]
fn empty_form_shows_the_missing_fields() {
    browse(async |browser| {
        browser.open(&start()).await;
        browser.click("#submit").await;
        expect_error(browser, "Username").await;
        expect_error(browser, "Password").await;
    });
}

pub async fn expect_error(browser: &Browser, part: &str) {
    browser
        .expect(&format!("{part:?} in #error"), true, async || browser.text("#error").await.contains(part))
        .await;
}

#[test]
fn sign_in_of_disabled_user_shows_an_error() {
    browse(async |browser| {
        browser.open(&start()).await;
        sign_in(browser, "alice", "secret2").await;
        expect_error(browser, "Inactive user").await;
        browser.expect_hidden("#profile").await;
        browser.screenshot("start-alice").await;
        browser.click("#sign-out").await;
        expect_signed_out(browser).await;
        browser.expect_text("#error", "").await;
    });
}

#[test]
fn click_on_a_tutorial_user_fills_in_the_form() {
    browse(async |browser| {
        browser.open(&start()).await;
        for (username, password) in [("alice", "secret2"), ("johndoe", "secret")] {
            browser.click(&format!("[data-fill={username}]")).await;
            let fields =
                "[document.querySelector('#username').value, document.querySelector('#password').value]";
            browser
                .expect("the fields", json!([username, password]), async || browser.evaluate(fields).await)
                .await;
        }
        browser.click("#submit").await;
        browser.expect_text("#token", "johndoe").await;
    });
}

#[test]
fn copied_commands_contain_the_address_of_the_service() {
    browse(async |browser| {
        browser.open(&start()).await;
        browser.allow_reading_the_clipboard();
        let commands = [
            format!("curl -d 'username=johndoe&password=secret' {}token", start()),
            format!("curl -H 'Authorization: Bearer johndoe' {}users/me", start()),
            format!("curl -i {}users/me", start()),
        ];
        let count = "document.querySelectorAll('.curl .copy').length";
        assert_eq!(browser.evaluate(count).await, json!(commands.len()));
        for (number, command) in (1..).zip(commands) {
            browser.click(&format!(".curl:nth-of-type({number}) .copy")).await;
            let clipboard = "navigator.clipboard.readText()";
            browser.expect("the clipboard", json!(command), async || browser.evaluate(clipboard).await).await;
        }
    });
}

#[test]
fn sign_in_and_out_work_with_the_keyboard() {
    browse(async |browser| {
        browser.open(&start()).await;
        tab_to(browser, "username").await;
        browser.press("johndoe").await;
        tab_to(browser, "password").await;
        browser.press(&format!("secret{ENTER}")).await;
        browser.expect_displayed("#profile").await;
        tab_to(browser, "sign-out").await;
        browser.press(ENTER).await;
        expect_signed_out(browser).await;
    });
}

async fn tab_to(browser: &Browser, id: &str) {
    for _ in 0..12 {
        if browser.evaluate("document.activeElement.id").await == id {
            return;
        }
        browser.press(TAB).await;
    }
    panic!("Tab does not reach #{id}");
}

pub async fn expect_no_sideways_scroll(browser: &Browser, width: u32) {
    let widths = "[innerWidth, document.documentElement.scrollWidth, document.body.scrollWidth]";
    let sizes = browser.evaluate(widths).await;
    assert_eq!(sizes[0], width);
    for wide in [&sizes[1], &sizes[2]] {
        assert!(wide.as_u64().unwrap() <= u64::from(width), "{sizes}");
    }
}
