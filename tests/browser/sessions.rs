//! Tokens and sessions on the documentation page of the secure profile.

use serde_json::{Value, json};

use crate::{
    browser::{
        docs::{self, DIALOG, LOG_OUT},
        webdriver::{Browser, browse},
    },
    support::{
        http::{post_form, request},
        program::Gatepass,
        secure_profile::{self, JOHNDOE, Service, access_token},
        wait::{TIMEOUT, wait_until},
    },
};

pub const PASSPHRASE: &str = "johndoe's own passphrase";
pub const NEW_PASSPHRASE: &str = "a raven at the ferry";

/// Starts a service with the user johndoe, and returns it with its database.
pub fn serve(arguments: &[&str]) -> (Gatepass, Service) {
    let gatepass = Gatepass::on_sqlite();
    secure_profile::add_johndoe(&gatepass);
    let service = secure_profile::serve(&gatepass, arguments);
    (gatepass, service)
}

/// Signs johndoe in from another client, curl.
pub fn sign_in_elsewhere(service: &Service) -> String {
    let request = post_form("/token", format!("{JOHNDOE}&scope=me+offline_access"));
    access_token(&request.header("User-Agent", "curl/8.14.1").send(service.address))
}

#[track_caller]
fn expect_valid(service: &Service, token: &str) {
    assert_eq!(service.users_me(token).status, 200);
}

/// Signs johndoe in on the documentation page with these scopes.
async fn authorize(browser: &Browser, service: &Service, scopes: &[&str]) {
    docs::open(browser, &format!("http://{}/docs", service.address)).await;
    docs::fill_in(browser, "johndoe", PASSPHRASE).await;
    docs::keep_scopes(browser, scopes).await;
    docs::submit(browser).await;
    docs::expect_authorized(browser).await;
}

/// Returns the token in the displayed curl command.
async fn sent_token(browser: &Browser) -> String {
    let curl = browser.evaluate("document.querySelector('.curl-command code').textContent").await;
    let (_, rest) = curl.as_str().unwrap().split_once("Bearer ").expect("a token in the curl line");
    rest.split('\'').next().unwrap().to_owned()
}

/// Returns the response that johndoe gets from GET /users/me.
pub fn profile(service: &Service) -> Value {
    let token = service.token(JOHNDOE);
    service.users_me(&token).json()
}

#[test]
fn logout_in_swagger_ui_revokes_the_token_or_shows_that_it_could_not_be_revoked() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        authorize(browser, &service, &["me", "offline_access"]).await;
        docs::close(browser).await;
        docs::try_out(browser).await;
        docs::execute(browser, 200, &profile(&service)).await;
        let token = sent_token(browser).await;
        expect_valid(&service, &token);

        browser.click(".auth-wrapper > .authorize").await;
        browser.click(LOG_OUT).await;
        browser.expect_displayed("#oauth_username").await;
        wait_until(TIMEOUT, "the token is revoked", || service.users_me(&token).status == 401);
        assert_eq!(browser.text(&format!("{DIALOG} .errors")).await, "");
        docs::close(browser).await;
        docs::execute(browser, 401, &json!({ "detail": "Not authenticated" })).await;

        docs::authorize(browser, "johndoe", PASSPHRASE).await;
        drop(service);
        browser.click(LOG_OUT).await;
        let error = "Logged out here, but the token could not be revoked.";
        browser.expect_text(&format!("{DIALOG} .errors span"), error).await;
    });
}

#[test]
fn swagger_ui_refreshes_an_expired_token() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&["--access-token-ttl", "8"]);
        authorize(browser, &service, &["me", "offline_access"]).await;
        docs::close(browser).await;
        docs::try_out(browser).await;
        let profile = profile(&service);
        docs::execute(browser, 200, &profile).await;
        let first = sent_token(browser).await;
        wait_until(TIMEOUT, "the token has expired", || service.users_me(&first).status == 401);
        docs::execute(browser, 200, &profile).await;
        browser.expect("another token", true, async || sent_token(browser).await != first).await;
        assert_eq!(browser.stored().await, Vec::<Value>::new());
    });
}

#[test]
fn swagger_ui_opens_the_padlocks_when_a_token_expires_and_cannot_be_refreshed() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&["--access-token-ttl", "3"]);
        authorize(browser, &service, &["me"]).await;
        docs::close(browser).await;
        browser.expect_displayed(".auth-wrapper > .authorize.unlocked").await;

        browser.open("about:blank").await;
        authorize(browser, &service, &["me", "offline_access"]).await;
        docs::close(browser).await;
        let token = service.token(JOHNDOE);
        assert_eq!(request("DELETE", "/users/me/sessions").bearer(&token).send(service.address).status, 204);
        browser.expect_displayed(".auth-wrapper > .authorize.unlocked").await;
    });
}
