//! Sessions, token refresh and password changes on the pages of the secure profile.

use serde_json::{Value, json};

use crate::{
    browser::{
        docs::{self, DIALOG, LOG_OUT},
        start_page,
        webdriver::{Browser, browse},
    },
    support::{
        http::{get, post_form, request},
        program::Gatepass,
        secure_profile::{self, JOHNDOE, SECOND, Service, access_token},
        wait::{TIMEOUT, wait_until},
    },
};

pub const PASSPHRASE: &str = "johndoe's own passphrase";
const NEW_PASSPHRASE: &str = "a raven at the ferry";

const DESKTOP: (u32, u32) = (1280, 900);
const SMALL_PHONE: (u32, u32) = (360, 740);

/// The number of token requests of the page.
const TOKEN_REQUESTS: &str =
    "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/token')).length";

/// A service with the user johndoe, and its database.
pub fn serve(arguments: &[&str]) -> (Gatepass, Service) {
    let gatepass = Gatepass::on_sqlite();
    secure_profile::add_johndoe(&gatepass);
    let service = secure_profile::serve(&gatepass, arguments);
    (gatepass, service)
}

fn start(service: &Service) -> String {
    format!("http://{}/", service.address)
}

/// Signs johndoe in on the start page and returns the displayed token.
async fn sign_in(browser: &Browser, service: &Service) -> String {
    browser.open(&start(service)).await;
    start_page::sign_in(browser, "johndoe", PASSPHRASE).await;
    browser.expect_displayed("#session-list li").await;
    browser.text("#token").await
}

/// Signs johndoe in from another client, curl.
fn sign_in_elsewhere(service: &Service) -> String {
    let request = post_form("/token", format!("{JOHNDOE}&scope=me+offline_access"));
    access_token(&request.header("User-Agent", "curl/8.14.1").send(service.address))
}

async fn expect_sessions(browser: &Browser, number: usize) {
    let count = "document.querySelectorAll('#session-list li').length";
    browser.expect("the sessions", json!(number), async || browser.evaluate(count).await).await;
}

async fn expect_signed_out(browser: &Browser) {
    browser.expect_displayed("#sign-in").await;
    browser.expect_hidden("#account").await;
    browser.expect_focus("#username").await;
    let known = "['token', 'session-list', 'password'].map((id) => document.getElementById(id))\
         .map((element) => element.value ?? element.textContent)";
    assert_eq!(browser.evaluate(known).await, json!(["", "", ""]), "the page still contains user data");
}

#[track_caller]
fn expect_invalid(service: &Service, token: &str) {
    wait_until(SECOND, "the token is invalid", || service.users_me(token).status == 401);
}

#[track_caller]
fn expect_valid(service: &Service, token: &str) {
    assert_eq!(service.users_me(token).status, 200);
}

#[test]
fn start_page_refreshes_tokens_before_they_expire() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&["--access-token-ttl", "2"]);
        let first = sign_in(browser, &service).await;
        // Twice, so that a refreshed token is refreshed too.
        let requests = json!([true, true]);
        let script =
            format!("[{TOKEN_REQUESTS} >= 3, document.querySelector('#token').textContent !== '{first}']");
        browser.expect("two refreshes", requests, async || browser.evaluate(&script).await).await;
        expect_invalid(&service, &first);
        browser.click("#reload-sessions").await;
        let last = "document.querySelector('#requests li:last-child').textContent";
        let list = json!("GET users/me/sessions 200");
        browser.expect("the last request", list, async || browser.evaluate(last).await).await;
        expect_sessions(browser, 1).await;
        browser.expect_text(".error:not(:empty)", "").await;
        assert_eq!(browser.stored().await, Vec::<Value>::new());
    });
}

#[test]
fn request_with_revoked_token_is_repeated_after_one_refresh() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        let token = sign_in(browser, &service).await;
        assert_eq!(post_form("/revoke", format!("token={token}")).send(service.address).status, 200);
        expect_invalid(&service, &token);
        browser.click("#reload-sessions").await;
        browser.expect("a new token", true, async || browser.text("#token").await != token).await;
        let trace = "[...document.querySelectorAll('#requests li')].slice(-3).map((li) => li.textContent)";
        let again = ["GET users/me/sessions 401", "POST token 200", "GET users/me/sessions 200"];
        browser.expect("the requests", json!(again), async || browser.evaluate(trace).await).await;
        assert_eq!(browser.evaluate(TOKEN_REQUESTS).await, 2);
    });
}

#[test]
fn concurrent_requests_share_one_refresh() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        browser.open(&start(&service)).await;
        let script = format!(
            "Promise.all([import('/static/any-version/session.js'), import('/static/any-version/api.js')])\
             .then(async ([{{ Session }}, {{ newContext, send }}]) => {{\
                 const fields = new URLSearchParams({{\
                     username: 'johndoe', password: \"{PASSPHRASE}\", scope: 'me offline_access' }});\
                 const session = await Session.begin(fields, newContext());\
                 const body = new URLSearchParams({{ token: session.token }});\
                 await send('revoke', {{ method: 'POST', body, ...newContext() }});\
                 const context = newContext();\
                 await Promise.all([1, 2, 3].map(() => session.send('users/me', context)));\
                 return context.requests.map(({{ path, result }}) => path + ' ' + result).sort();\
             }})"
        );
        let mut requests: Vec<String> = serde_json::from_value(browser.evaluate(&script).await).unwrap();
        requests.sort();
        let ok = ["users/me 200"; 3];
        assert_eq!(requests, [&["token 200"][..], &ok, &["users/me 401"; 3]].concat());
    });
}

#[test]
fn request_in_an_ended_session_signs_out() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        let token = sign_in(browser, &service).await;
        assert_eq!(request("DELETE", "/users/me/sessions").bearer(&token).send(service.address).status, 204);
        expect_invalid(&service, &token);
        browser.click("#reload-sessions").await;
        start_page::expect_error(browser, "The session has ended.").await;
        expect_signed_out(browser).await;
    });
}

#[test]
fn failed_refresh_signs_out_without_a_click() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&["--access-token-ttl", "3"]);
        let token = sign_in(browser, &service).await;
        assert_eq!(request("DELETE", "/users/me/sessions").bearer(&token).send(service.address).status, 204);
        start_page::expect_error(browser, "The session has ended.").await;
        expect_signed_out(browser).await;
    });
}

#[test]
fn sign_out_revokes_the_token_and_its_session() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        let token = sign_in(browser, &service).await;
        let other = sign_in_elsewhere(&service);
        expect_valid(&service, &token);
        browser.click("#sign-out").await;
        browser.expect_text("#notice", "Signed out.").await;
        expect_signed_out(browser).await;
        expect_invalid(&service, &token);
        expect_valid(&service, &other);
        let sessions = get("/users/me/sessions").bearer(&other).send(service.address);
        assert_eq!(sessions.json().as_array().unwrap().len(), 1, "{}", sessions.text());
    });
}

#[test]
fn sign_out_without_a_service_shows_an_error() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        sign_in(browser, &service).await;
        drop(service);
        browser.click("#sign-out").await;
        start_page::expect_error(browser, "Signed out here, but the token could not be revoked.").await;
        expect_signed_out(browser).await;
    });
}

#[test]
fn sign_in_and_out_work_without_refresh_tokens() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&["--refresh-tokens", "never", "--require-grant-type"]);
        let token = sign_in(browser, &service).await;
        expect_valid(&service, &token);
        browser.click("#sign-out").await;
        browser.expect_text("#notice", "Signed out.").await;
        expect_invalid(&service, &token);
    });
}

#[test]
fn sessions_are_listed_and_another_one_can_be_ended() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        let other = sign_in_elsewhere(&service);
        let token = sign_in(browser, &service).await;
        expect_sessions(browser, 2).await;
        let list = browser.text("#session-list").await;
        for part in ["Chrome on Linux current", "curl/8.14.1", "127.0.0.1", "created", "last used"] {
            assert!(list.contains(part), "no {part:?} in {list:?}");
        }
        assert!(!list.contains(['{', '"']), "{list}");
        let times = "[...document.querySelectorAll('#session-list time')]\
             .every(({ dateTime, textContent }) => textContent === new Date(dateTime)\
             .toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }))";
        assert_eq!(browser.evaluate(times).await, true);

        browser.click("[aria-label='End the session curl/8.14.1']").await;
        expect_sessions(browser, 1).await;
        browser.expect_focus("#sessions-title").await;
        expect_invalid(&service, &other);
        expect_valid(&service, &token);
    });
}

#[test]
fn ending_the_current_session_or_all_sessions_signs_out() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        let other = sign_in_elsewhere(&service);
        for (button, notice) in [
            ("[aria-label='End the session Chrome on Linux']", "Signed out: this session has ended."),
            ("#end-all", "Signed out: all sessions have ended."),
        ] {
            expect_valid(&service, &other);
            let token = sign_in(browser, &service).await;
            browser.click(button).await;
            browser.expect_text("#notice", notice).await;
            expect_signed_out(browser).await;
            expect_invalid(&service, &token);
        }
        expect_invalid(&service, &other);
    });
}

#[test]
fn ending_a_session_that_has_ended_removes_it_from_the_list() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        let other = sign_in_elsewhere(&service);
        sign_in(browser, &service).await;
        expect_sessions(browser, 2).await;
        let sessions = get("/users/me/sessions").bearer(&other).send(service.address).json();
        let mine = sessions.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
        let path = format!("/users/me/sessions/{}", mine["id"].as_str().unwrap());
        assert_eq!(request("DELETE", &path).bearer(&other).send(service.address).status, 204);
        browser.click("[aria-label='End the session curl/8.14.1']").await;
        expect_sessions(browser, 1).await;
        browser.expect_text("#sessions-error", "").await;
    });
}

/// Submits the password form.
async fn change_password(browser: &Browser, current: &str, new: &str) {
    browser.fill("#current-password", current).await;
    browser.fill("#new-password", new).await;
    browser.click("#change").await;
}

async fn expect_rejected(browser: &Browser, why: &str, field: &str) {
    browser.expect_text("#password-error", why).await;
    browser.expect_focus(&format!("#{field}")).await;
    let marked = "[...document.querySelectorAll('#account [aria-invalid]')].map(({ id }) => id)";
    assert_eq!(browser.evaluate(marked).await, json!([field]));
}

#[test]
fn password_change_ends_other_sessions_and_signs_in_again() {
    browse(async |browser| {
        let (width, height) = SMALL_PHONE;
        browser.resize(width, height);
        let (_gatepass, service) = serve(&[]);
        let other = sign_in_elsewhere(&service);
        let token = sign_in(browser, &service).await;
        browser.click("#account summary").await;

        change_password(browser, "wrong", NEW_PASSPHRASE).await;
        expect_rejected(browser, "Password not changed. Incorrect password.", "current-password").await;
        change_password(browser, PASSPHRASE, "password1").await;
        let why = "Password not changed. New password: the password must have at least 15 characters.";
        expect_rejected(browser, why, "new-password").await;
        expect_valid(&service, &other);

        change_password(browser, PASSPHRASE, NEW_PASSPHRASE).await;
        browser.expect_text("#notice", "Password changed. All other sessions have ended.").await;
        browser.expect_focus("#display-name").await;
        let is_visible = "document.querySelector('#notice').getBoundingClientRect().top >= 0";
        assert_eq!(browser.evaluate(is_visible).await, true, "the notice is not visible");
        expect_sessions(browser, 1).await;
        let kept = "['username', 'password', 'current-password', 'new-password', 'password-error']\
             .map((id) => document.getElementById(id)).map((element) => element.value ?? element.textContent)";
        assert_eq!(browser.evaluate(kept).await, json!(["", "", "", "", ""]));
        expect_invalid(&service, &token);
        expect_invalid(&service, &other);
        expect_valid(&service, &browser.text("#token").await);
        assert_eq!(service.sign_in(JOHNDOE).status, 400);
    });
}

#[test]
fn user_without_the_scope_me_signs_in_and_out_without_a_profile() {
    browse(async |browser| {
        let (gatepass, service) = serve(&[]);
        gatepass.add("robot", &["--scopes", "users:read"]).done();
        browser.open(&start(&service)).await;
        start_page::sign_in(browser, "robot", "robot's own passphrase").await;
        start_page::expect_error(browser, "Signed in, but the profile could not be loaded.").await;
        browser.expect_hidden("#account").await;
        browser.expect_displayed("#token").await;
        let token = browser.text("#token").await;
        assert_eq!(service.users_me(&token).status, 403);
        browser.click("#sign-out").await;
        browser.expect_text("#notice", "Signed out.").await;
        expect_invalid(&service, &token);
    });
}

#[test]
fn account_fits_a_small_phone() {
    account_fits(SMALL_PHONE, "secure-account-phone");
}

#[test]
fn account_fits_a_desktop() {
    account_fits(DESKTOP, "secure-account-desktop");
}

fn account_fits((width, height): (u32, u32), name: &str) {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        sign_in_elsewhere(&service);
        browser.resize(width, height);
        sign_in(browser, &service).await;
        let fields = "[...document.querySelectorAll('#change-password input')]\
             .map(({ autocomplete, value }) => [autocomplete, value])";
        let expected = json!([["username", "johndoe"], ["current-password", ""], ["new-password", ""]]);
        assert_eq!(browser.evaluate(fields).await, expected, "for password managers");
        browser.click("#account summary").await;
        change_password(browser, "wrong", NEW_PASSPHRASE).await;
        browser.expect_displayed("#password-error").await;
        start_page::expect_no_sideways_scroll(browser, width).await;
        browser.screenshot(name).await;
    });
}

/// Signs johndoe in on the documentation page and requests a refresh token.
async fn authorize(browser: &Browser, service: &Service) {
    docs::open(browser, &format!("{}docs", start(service))).await;
    docs::fill_in(browser, "johndoe", PASSPHRASE).await;
    docs::keep_scopes(browser, &["me", "offline_access"]).await;
    docs::submit(browser).await;
    docs::expect_authorized(browser).await;
}

/// The token in the displayed curl command.
async fn sent_token(browser: &Browser) -> String {
    let curl = browser.evaluate("document.querySelector('.curl-command code').textContent").await;
    let (_, rest) = curl.as_str().unwrap().split_once("Bearer ").expect("a token in the curl line");
    rest.split('\'').next().unwrap().to_owned()
}

/// The response of GET /users/me to johndoe.
pub fn profile(service: &Service) -> Value {
    let token = service.token(JOHNDOE);
    service.users_me(&token).json()
}

#[test]
fn logout_of_swagger_ui_revokes_the_token() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        authorize(browser, &service).await;
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
    });
}

#[test]
fn swagger_ui_refreshes_an_expired_token() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&["--access-token-ttl", "8"]);
        authorize(browser, &service).await;
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
fn swagger_ui_opens_the_padlocks_when_a_token_without_a_refresh_token_expires() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&["--access-token-ttl", "3"]);
        docs::open(browser, &format!("{}docs", start(&service))).await;
        docs::fill_in(browser, "johndoe", PASSPHRASE).await;
        docs::keep_scopes(browser, &["me"]).await;
        docs::submit(browser).await;
        docs::expect_authorized(browser).await;
        docs::close(browser).await;
        browser.expect_displayed(".auth-wrapper > .authorize.unlocked").await;
    });
}

#[test]
fn swagger_ui_logs_out_after_a_failed_refresh() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&["--access-token-ttl", "3"]);
        authorize(browser, &service).await;
        docs::close(browser).await;
        let token = service.token(JOHNDOE);
        assert_eq!(request("DELETE", "/users/me/sessions").bearer(&token).send(service.address).status, 204);
        browser.expect_displayed(".auth-wrapper > .authorize.unlocked").await;
    });
}

#[test]
fn logout_of_swagger_ui_without_a_service_shows_an_error() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        authorize(browser, &service).await;
        drop(service);
        browser.click(LOG_OUT).await;
        let error = "Logged out here, but the token could not be revoked.";
        browser.expect_text(&format!("{DIALOG} .errors span"), error).await;
    });
}
