//! The pages of the secure profile.

use serde_json::{Value, json};

use crate::browser::{
    docs::{self, DIALOG},
    sessions::{PASSPHRASE, profile, serve},
    start_page,
    webdriver::browse,
};

#[test]
fn authorization_with_all_some_or_no_scopes_gives_access_to_users_me() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        let all = ["me", "offline_access", "openid", "tokens:introspect"];
        for (scopes, granted) in
            [(&all[..], "me openid offline_access"), (&["me"], "me"), (&[], "me users:read")]
        {
            docs::open(browser, &format!("http://{}/docs", service.address)).await;
            docs::fill_in(browser, "johndoe", PASSPHRASE).await;
            docs::keep_scopes(browser, scopes).await;
            docs::submit(browser).await;
            docs::expect_authorized(browser).await;
            browser.expect_text(&format!("{DIALOG} dl > div:last-child dd"), granted).await;
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
        docs::expect_error(browser, "Incorrect username or password").await;
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
