//! Swagger UI at `/docs`.

use serde_json::{Value, json};

use crate::{
    browser::webdriver::{Browser, browse},
    support::service::tutorial,
};

pub const DIALOG: &str = ".dialog-ux";
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
fn who_authorizes_can_try_out_get_users_me() {
    browse(async |browser| {
        open(browser, &format!("http://{}/docs", tutorial())).await;
        authorize(browser, "johndoe", "secret").await;
        close(browser).await;
        try_out(browser).await;
        execute(browser, 200, &johndoe()).await;
        browser.evaluate("document.querySelector('#operations-tag-Users').scrollIntoView()").await;
        browser.screenshot("docs").await;

        log_out(browser).await;
        close(browser).await;
        execute(browser, 401, &json!({ "detail": "Not authenticated" })).await;

        authorize(browser, "alice", "secret2").await;
        close(browser).await;
        execute(browser, 400, &json!({ "detail": "Inactive user" })).await;
    });
}

#[test]
fn a_wrong_password_gives_an_error_and_no_token() {
    browse(async |browser| {
        open(browser, &format!("http://{}/docs", tutorial())).await;
        sign_in(browser, "johndoe", "wrong").await;
        // Swagger UI shows of the answer what RFC 6749 calls `error`, and of FastAPI's answer the status.
        browser.expect_text(&format!("{DIALOG} .errors span"), "Error: Bad Request").await;
        browser.screenshot("docs-wrong-password").await;
        close(browser).await;
        try_out(browser).await;
        execute(browser, 401, &json!({ "detail": "Not authenticated" })).await;
    });
}

#[test]
fn the_documentation_needs_nothing_from_outside_and_keeps_nothing() {
    browse(async |browser| {
        let origin = format!("http://{}/", tutorial());
        open(browser, &format!("{origin}docs")).await;
        authorize(browser, "johndoe", "secret").await;
        close(browser).await;
        try_out(browser).await;
        execute(browser, 200, &johndoe()).await;

        let loaded =
            browser.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)").await;
        let loaded: Vec<String> = serde_json::from_value(loaded).unwrap();
        assert!(loaded.contains(&format!("{origin}docs/swagger-ui-bundle.js")), "{loaded:#?}");
        for url in loaded {
            assert!(url.starts_with(&origin) || url.starts_with("data:"), "{url}");
        }
        assert_eq!(browser.stored().await, Vec::<Value>::new());
        assert_eq!(browser.url().await, format!("{origin}docs#/Users/read_users_me"));
    });
}

#[test]
fn the_documentation_loads_with_at_most_500_kib_and_again_with_next_to_nothing() {
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

/// Fills in the Authorize dialog and sends it.
async fn sign_in(browser: &Browser, username: &str, password: &str) {
    browser.click(".auth-wrapper > .authorize").await;
    browser.fill("#oauth_username", username).await;
    browser.fill("#oauth_password", password).await;
    browser.click(&format!("{DIALOG} .authorize")).await;
}

pub async fn authorize(browser: &Browser, username: &str, password: &str) {
    sign_in(browser, username, password).await;
    browser.expect_text(&format!("{DIALOG} .auth-container h6"), "Authorized").await;
}

async fn log_out(browser: &Browser) {
    browser.click(".auth-wrapper > .authorize").await;
    browser.click(&format!("{DIALOG} .auth-btn-wrapper .btn:not(.btn-done)")).await;
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

/// Executes the request, which is answered with this.
pub async fn execute(browser: &Browser, status: u16, body: &Value) {
    browser.click(&format!("{OPERATION} .execute")).await;
    let answer = format!("{OPERATION} .live-responses-table .response");
    browser
        .expect("the status and the body", (status.to_string(), Some(body.clone())), async || {
            let status = browser.text(&format!("{answer} .response-col_status")).await;
            let body = browser.text(&format!("{answer} .highlight-code code")).await;
            (status, serde_json::from_str(&body).ok())
        })
        .await;
}
