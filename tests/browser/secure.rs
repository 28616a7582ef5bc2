//! The pages of the secure profile.

use serde_json::{Value, json};

use crate::browser::{
    docs::{self, DIALOG},
    sessions::{PASSPHRASE, profile, serve},
    start_page,
    webdriver::browse,
};

#[test]
fn authorization_with_or_without_a_ticked_scope_gives_access_to_users_me() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        for scopes in [&["me"][..], &[]] {
            docs::open(browser, &format!("http://{}/docs", service.address)).await;
            docs::fill_in(browser, "johndoe", PASSPHRASE).await;
            docs::tick(browser, scopes).await;
            docs::submit(browser).await;
            docs::expect_authorized(browser).await;
            browser.screenshot("secure-docs").await;
            docs::close(browser).await;
            docs::try_out(browser).await;
            docs::execute(browser, 200, &profile(&service)).await;
            assert_eq!(browser.stored().await, Vec::<Value>::new());
            browser.open("about:blank").await;
        }
    });
}

#[test]
fn authorization_with_wrong_password_shows_the_oauth2_error() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        docs::open(browser, &format!("http://{}/docs", service.address)).await;
        docs::fill_in(browser, "johndoe", "wrong").await;
        docs::submit(browser).await;
        let error = "Error: Bad Request, error: invalid_grant, description: Incorrect username or password";
        browser.expect_text(&format!("{DIALOG} .errors span"), error).await;
        browser.screenshot("secure-docs-wrong-password").await;
        docs::close(browser).await;
        docs::try_out(browser).await;
        docs::execute(browser, 401, &json!({ "detail": "Not authenticated" })).await;
    });
}

#[test]
fn start_page_signs_in_and_does_not_mention_the_tutorial() {
    browse(async |browser| {
        let (gatepass, service) = serve(&[]);
        browser.open(&format!("http://{}/", service.address)).await;
        browser.expect_displayed("#sign-in").await;
        browser.screenshot("secure-start").await;
        let tutorial = "[document.querySelectorAll('#insecure, .users, [data-fill]').length, \
             /tutorial|insecure|secret2|fakehashed/i.test(document.body.textContent)]";
        assert_eq!(browser.evaluate(tutorial).await, json!([0, false]));

        start_page::sign_in(browser, "johndoe", "wrong").await;
        start_page::expect_error(browser, "Incorrect username or password").await;
        start_page::sign_in(browser, "johndoe", PASSPHRASE).await;
        browser.expect_displayed("#profile").await;
        let profile = browser.text("#profile").await;
        for value in ["johndoe", "johndoe@example.com", "John Doe", "false", "users:read"] {
            assert!(profile.contains(value), "no {value} in {profile:?}");
        }
        assert!(!profile.contains("argon2"), "{profile}");
        assert_eq!(browser.text("#token").await.split('.').count(), 3, "a JWT");
        let height = browser.evaluate("document.querySelector('#token').clientHeight").await;
        assert!(height.as_u64().unwrap() < 150, "{height} pixels of token");
        assert_eq!(browser.stored().await, Vec::<Value>::new());
        browser.screenshot("secure-start-signed-in").await;

        browser.click("#sign-out").await;
        gatepass.done(&["users", "disable", "johndoe"]);
        start_page::sign_in(browser, "johndoe", PASSPHRASE).await;
        start_page::expect_error(browser, "Inactive user").await;
        browser.expect_hidden("#profile").await;
    });
}
