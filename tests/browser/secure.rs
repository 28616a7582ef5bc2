//! The pages of the secure profile: the real program with johndoe, who may be granted `me` and `users:read`.

use serde_json::{Value, json};

use crate::{
    browser::{
        docs::{self, DIALOG},
        start_page,
        webdriver::{Browser, browse},
    },
    support::{
        program::Gatepass,
        secure_profile::{self, Service},
    },
};

const PASSPHRASE: &str = "johndoe's own passphrase";

/// The label of a scope's box in the Authorize dialog; the box itself is not drawn.
const ME: &str = ".dialog-ux .scopes label[for='me-password-checkbox-OAuth2PasswordBearer'].item, \
     .dialog-ux .scopes label[for='me-password-checkbox-OAuth2PasswordBearer'] .item";

/// A service with johndoe, and its database.
fn serve() -> (Gatepass, Service) {
    let gatepass = Gatepass::on_sqlite();
    secure_profile::add_johndoe(&gatepass);
    let service = secure_profile::serve(&gatepass, &[]);
    (gatepass, service)
}

fn johndoe() -> Value {
    json!({
        "username": "johndoe",
        "email": "johndoe@example.com",
        "full_name": "John Doe",
        "disabled": false,
        "scopes": ["me", "users:read"],
    })
}

/// Fills in the Authorize dialog, with the scope `me` ticked or not, and sends it.
async fn sign_in(browser: &Browser, password: &str, me: bool) {
    browser.click(".auth-wrapper > .authorize").await;
    browser.fill("#oauth_username", "johndoe").await;
    browser.fill("#oauth_password", password).await;
    if me {
        browser.click(ME).await;
    }
    let ticked = "[...document.querySelectorAll('.dialog-ux .scopes input')].map((box) => box.checked)";
    browser.expect("the scopes", json!([me, false, false]), async || browser.evaluate(ticked).await).await;
    browser.click(&format!("{DIALOG} .authorize")).await;
}

#[test]
fn a_scope_is_ticked_and_get_users_me_answers() {
    browse(async |browser| {
        let (_gatepass, service) = serve();
        docs::open(browser, &format!("http://{}/docs", service.address)).await;
        sign_in(browser, PASSPHRASE, true).await;
        browser.expect_text(&format!("{DIALOG} .auth-container h6"), "Authorized").await;
        browser.screenshot("secure-docs").await;
        docs::close(browser).await;
        docs::try_out(browser).await;
        docs::execute(browser, 200, &johndoe()).await;
        assert_eq!(browser.stored().await, Vec::<Value>::new());
    });
}

#[test]
fn with_no_scope_ticked_everything_is_granted() {
    browse(async |browser| {
        let (_gatepass, service) = serve();
        docs::open(browser, &format!("http://{}/docs", service.address)).await;
        sign_in(browser, PASSPHRASE, false).await;
        browser.expect_text(&format!("{DIALOG} .auth-container h6"), "Authorized").await;
        docs::close(browser).await;
        docs::try_out(browser).await;
        docs::execute(browser, 200, &johndoe()).await;
    });
}

#[test]
fn a_wrong_password_is_named_in_the_dialog() {
    browse(async |browser| {
        let (_gatepass, service) = serve();
        docs::open(browser, &format!("http://{}/docs", service.address)).await;
        sign_in(browser, "wrong", true).await;
        let error = "Error: Bad Request, error: invalid_grant, description: Incorrect username or password";
        browser.expect_text(&format!("{DIALOG} .errors span"), error).await;
        browser.screenshot("secure-docs-wrong-password").await;
        docs::close(browser).await;
        docs::try_out(browser).await;
        docs::execute(browser, 401, &json!({ "detail": "Not authenticated" })).await;
    });
}

#[test]
fn the_start_page_signs_in_and_speaks_of_no_tutorial() {
    browse(async |browser| {
        let (gatepass, service) = serve();
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
