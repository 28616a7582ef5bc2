//! Swagger UI at `/docs`.

use serde_json::{Value, json};

use crate::{
    browser::webdriver::{Browser, ENTER, ESCAPE, TAB, browse},
    support::service::tutorial,
};

pub const DIALOG: &str = ".dialog-ux";
pub const LOG_OUT: &str = ".dialog-ux .auth-btn-wrapper .btn:not(.btn-done)";
const OPERATION: &str = "#operations-Users-read_users_me";

pub fn johndoe() -> Value {
    json!({
        "username": "johndoe",
        "email": "johndoe@example.com",
        "full_name": "John Doe",
        "disabled": false,
        "hashed_password": "fakehashedsecret",
    })
}

#[test]
fn authorized_request_succeeds_until_logout_and_nothing_external_is_loaded_or_stored() {
    browse(async |browser| {
        let origin = format!("http://{}/", tutorial());
        open(browser, &format!("{origin}docs")).await;
        authorize(browser, "johndoe", "secret").await;
        close(browser).await;
        try_out(browser).await;
        execute(browser, 200, &johndoe()).await;
        browser.evaluate("document.querySelector('#operations-tag-Users').scrollIntoView()").await;
        browser.screenshot("docs").await;

        let loaded =
            browser.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)").await;
        let loaded: Vec<String> = serde_json::from_value(loaded).unwrap();
        assert!(loaded.iter().any(|url| url.ends_with("/swagger-ui-bundle.js")), "{loaded:#?}");
        for url in loaded {
            assert!(url.starts_with(&origin) || url.starts_with("data:"), "{url}");
        }
        assert_eq!(browser.stored().await, Vec::<Value>::new());
        assert_eq!(browser.url().await, format!("{origin}docs#/Users/read_users_me"));

        log_out(browser).await;
        close(browser).await;
        execute(browser, 401, &json!({ "detail": "Not authenticated" })).await;

        authorize(browser, "alice", "secret2").await;
        close(browser).await;
        execute(browser, 400, &json!({ "detail": "Inactive user" })).await;
    });
}

#[test]
fn chapter_works_by_keyboard_and_the_focus_stays_in_the_dialog() {
    browse(async |browser| {
        open(browser, &format!("http://{}/docs", tutorial())).await;
        browser.tab_to(".auth-wrapper > .authorize").await;
        browser.press(ENTER).await;
        browser.expect_focus("#oauth_username").await;
        let outside = "!document.querySelector('dialog:modal').contains(document.activeElement)\
             && document.activeElement !== document.body";
        for _ in 0..12 {
            browser.press(TAB).await;
            assert_eq!(browser.evaluate(outside).await, false);
        }
        browser.press(ESCAPE).await;
        browser.expect_hidden(DIALOG).await;
        browser.expect_focus(".auth-wrapper > .authorize").await;

        for (username, password, is_correct) in
            [("johndoe", "wrong", false), ("johndoe", "secret", true), ("alice", "secret2", true)]
        {
            browser.press(ENTER).await;
            browser.expect_focus("#oauth_username").await;
            browser.press(&format!("{username}{TAB}{password}{ENTER}")).await;
            if !is_correct {
                expect_error(browser, "Incorrect username or password").await;
                browser.expect_focus("#oauth_password").await;
                browser.press(ESCAPE).await;
                continue;
            }
            expect_authorized(browser).await;
            browser.expect_focus(".btn-done").await;
            browser.press(ENTER).await;
            browser.expect_hidden(DIALOG).await;
            if username == "johndoe" {
                browser.tab_to(&format!("{OPERATION} .opblock-summary-control")).await;
                browser.press(ENTER).await;
                browser.expect_displayed(&format!("{OPERATION} .try-out__btn")).await;
                browser.tab_to(&format!("{OPERATION} .try-out__btn")).await;
                browser.press(ENTER).await;
            }
            browser.expect_displayed(&format!("{OPERATION} .execute")).await;
            browser.tab_to(&format!("{OPERATION} .execute")).await;
            browser.press(ENTER).await;
            let (status, body) = match username {
                "johndoe" => (200, johndoe()),
                _ => (400, json!({ "detail": "Inactive user" })),
            };
            expect_response(browser, status, &body).await;
            browser.tab_to(".auth-wrapper > .authorize").await;
            browser.press(ENTER).await;
            browser.expect_focus(".btn-done").await;
            browser.tab_to(LOG_OUT).await;
            browser.press(ENTER).await;
            browser.expect_focus("#oauth_username").await;
            browser.press(ESCAPE).await;
            browser.expect_focus(".auth-wrapper > .authorize").await;
        }
    });
}

#[test]
fn authorization_with_wrong_password_shows_an_error_and_sends_no_token() {
    browse(async |browser| {
        open(browser, &format!("http://{}/docs", tutorial())).await;
        fill_in(browser, "johndoe", "wrong").await;
        submit(browser).await;
        expect_error(browser, "Incorrect username or password").await;
        browser.screenshot("docs-wrong-password").await;
        close(browser).await;
        try_out(browser).await;
        execute(browser, 401, &json!({ "detail": "Not authenticated" })).await;
    });
}

#[test]
fn documentation_transfers_at_most_500_kib_and_5_kib_after_a_reload() {
    browse(async |browser| {
        let transferred = "performance.getEntriesByType('navigation')\
             .concat(performance.getEntriesByType('resource'))\
             .reduce((sum, entry) => sum + entry.transferSize, 0)";
        open(browser, &format!("http://{}/docs", tutorial())).await;
        let first = browser.evaluate(transferred).await.as_u64().unwrap();
        assert!((100 * 1024..=500 * 1024).contains(&first), "{first} bytes");

        browser.reload().await;
        browser.expect_displayed(OPERATION).await;
        let again = browser.evaluate(transferred).await.as_u64().unwrap();
        assert!(again <= 5 * 1024, "{again} bytes");
    });
}

pub async fn open(browser: &Browser, url: &str) {
    browser.open(url).await;
    browser.expect_displayed(OPERATION).await;
}

/// Fills in the Authorize dialog.
pub async fn fill_in(browser: &Browser, username: &str, password: &str) {
    browser.click(".auth-wrapper > .authorize").await;
    browser.fill("#oauth_username", username).await;
    browser.fill("#oauth_password", password).await;
}

/// Clears all scopes in the Authorize dialog except these.
pub async fn keep_scopes(browser: &Browser, scopes: &[&str]) {
    let all = "[...document.querySelectorAll('.dialog-ux [id*=-password-checkbox-]')]\
         .filter((box) => box.checked).map((box) => box.value)";
    let all: Vec<String> = serde_json::from_value(browser.evaluate(all).await).unwrap();
    assert!(scopes.iter().all(|scope| all.iter().any(|one| one == scope)), "{scopes:?} of {all:?}");
    for scope in all.iter().filter(|scope| !scopes.contains(&scope.as_str())) {
        browser
            .click(&format!("{DIALOG} .scopes input[id='{scope}-password-checkbox-OAuth2PasswordBearer']"))
            .await;
    }
}

pub async fn expect_error(browser: &Browser, message: &str) {
    browser.expect_text(&format!("{DIALOG} .errors span"), message).await;
}

pub async fn submit(browser: &Browser) {
    browser.click(&format!("{DIALOG} .authorize")).await;
}

pub async fn expect_authorized(browser: &Browser) {
    browser.expect_text(&format!("{DIALOG} .auth-container h4"), "Authorized").await;
}

pub async fn authorize(browser: &Browser, username: &str, password: &str) {
    fill_in(browser, username, password).await;
    submit(browser).await;
    expect_authorized(browser).await;
}

async fn log_out(browser: &Browser) {
    browser.click(".auth-wrapper > .authorize").await;
    browser.click(LOG_OUT).await;
    browser.expect_displayed("#oauth_username").await;
}

/// Closes the Authorize dialog.
pub async fn close(browser: &Browser) {
    browser.click(&format!("{DIALOG} .btn-done")).await;
    browser.expect_hidden(DIALOG).await;
}

/// Opens `GET /users/me` and its "Try it out".
pub async fn try_out(browser: &Browser) {
    browser.click(&format!("{OPERATION} .opblock-summary-control")).await;
    browser.click(&format!("{OPERATION} .try-out__btn")).await;
}

/// Executes the request and expects this response.
pub async fn execute(browser: &Browser, status: u16, body: &Value) {
    browser.click(&format!("{OPERATION} .execute")).await;
    expect_response(browser, status, body).await;
}

async fn expect_response(browser: &Browser, status: u16, body: &Value) {
    let response = format!("{OPERATION} .live-responses-table .response");
    browser
        .expect("the status and the body", (status.to_string(), Some(body.clone())), async || {
            let status = browser.text(&format!("{response} .response-col_status")).await;
            let body = browser.text(&format!("{response} .highlight-code code")).await;
            (status, serde_json::from_str(&body).ok())
        })
        .await;
}
