//! Swagger UI at `/docs` and ReDoc at `/redoc`.

use std::iter;

use serde_json::{Value, json};

use crate::{
    browser::{
        sessions::{PASSPHRASE, serve},
        webdriver::{Browser, ENTER, ESCAPE, TAB, browse},
    },
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
fn requests_succeed_only_between_sign_in_and_logout_and_the_page_stores_nothing() {
    browse(async |browser| {
        let origin = format!("http://{}/", tutorial());
        open(browser, &format!("{origin}docs")).await;
        browser.expect_text("#operations-tag-Users small", "The current user and their account").await;
        browser.expect_hidden(".model-container").await;
        fill_in(browser, "johndoe", "wrong").await;
        submit(browser).await;
        expect_error(browser, "Incorrect username or password").await;
        close(browser).await;
        try_out(browser).await;
        execute(browser, 401, &json!({ "detail": "Not authenticated" })).await;

        authorize(browser, "johndoe", "secret").await;
        browser.click(".decoded summary").await;
        browser.expect_text(".decoded p", "This token is not a JWT: it is the username itself.").await;
        close(browser).await;
        execute(browser, 200, &johndoe()).await;
        assert_eq!(browser.stored().await, Vec::<Value>::new());
        assert_eq!(browser.url().await, format!("{origin}docs#/Users/read_users_me"));

        log_out(browser).await;
        close(browser).await;
        execute(browser, 401, &json!({ "detail": "Not authenticated" })).await;

        authorize(browser, "alice", "secret2").await;
        close(browser).await;
        execute(browser, 400, &json!({ "detail": "Inactive user" })).await;
        browser.click(".home").await;
        browser.expect("the start page", origin.clone(), async || browser.url().await).await;
    });
}

#[test]
fn dialog_shows_the_decoded_and_verified_token_and_the_user_of_the_session_cookie() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        open(browser, &format!("http://{}/docs", service.address)).await;
        let login = format!(
            "fetch('login', {{ method: 'POST', body: new URLSearchParams({{\
                 username: 'johndoe', password: \"{PASSPHRASE}\" }}) }}).then(({{ status }}) => status)"
        );
        assert_eq!(browser.evaluate(&login).await, 204);
        fill_in(browser, "johndoe", PASSPHRASE).await;
        let cookie =
            "Signed in as johndoe with this browser’s session cookie. Requests without a token use it.";
        browser.expect_text(".cookie-session", cookie).await;
        submit(browser).await;
        expect_authorized(browser).await;
        browser.click(".decoded summary").await;
        browser.expect_text(".decoded .verdict", "Verified with a public key of this service.").await;
        let decoded = browser.text(".decoded").await;
        for part in ["at+jwt", "ES256", "me openid offline_access", "Expires in 14 minutes"] {
            assert!(decoded.contains(part), "expected {part} in {decoded}");
        }

        // For each algorithm, the script generates a key and verifies a valid token, a changed token, and a token with
        // an unknown key ID. Finally, it tries to decode texts that are not tokens.
        let script = r#"
            const { decode, verify } = await import("/docs/any-version/decoded.js");
            const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
            const algorithms = {
                EdDSA: { name: "Ed25519" },
                ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
                ES384: { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" },
                RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", ...rsa },
                PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32, ...rsa },
            };
            const base64url = (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
            const results = [];
            for (const [alg, algorithm] of Object.entries(algorithms)) {
                const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
                const jwk = { ...await crypto.subtle.exportKey("jwk", keys.publicKey), kid: "k", alg, use: "sig" };
                window.fetch = async () => new Response(JSON.stringify({ keys: [jwk] }));
                const signed = base64url(JSON.stringify({ alg, kid: "k" })) + "." + base64url('{"sub":"johndoe"}');
                const bytes = await crypto.subtle.sign(algorithm, keys.privateKey, new TextEncoder().encode(signed));
                const signature = base64url(String.fromCharCode(...new Uint8Array(bytes)));
                const other = signed.slice(0, -1) + "x";
                for (const token of [`${signed}.${signature}`, `${other}.${signature}`]) {
                    const jwt = decode(token) ?? { ...decode(`${signed}.${signature}`), signed: new Uint8Array(9) };
                    results.push((await verify(jwt, "keys")).split(/[ :]/)[0]);
                }
                const unknown = { ...decode(`${signed}.${signature}`), header: { alg, kid: "other" } };
                results.push((await verify(unknown, "keys")).includes("no key"));
            }
            return [results, ["johndoe", "a.b.c", "bnVsbA.bnVsbA.x"].map(decode)];
        "#;
        let outcome = browser.evaluate(&format!("(async () => {{ {script} }})()")).await;
        let expected: Vec<Value> =
            (0..5).flat_map(|_| [json!("Verified"), json!("Not"), json!(true)]).collect();
        assert_eq!(outcome, json!([expected, [null, null, null]]));
    });
}

#[test]
fn swagger_ui_is_usable_by_keyboard_and_the_dialog_keeps_the_focus() {
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
                browser.expect_focus(".auth-wrapper > .authorize").await;
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

/// The pages, the maximum number of bytes that each page loads, and the element that it displays last.
const SIZES: [(&str, u64, &str); 3] = [
    ("", 30 * 1024, "#steps button"),
    ("docs", 450 * 1024, OPERATION),
    ("redoc", 400 * 1024, "[id='tag/Users/operation/read_users_me']"),
];

#[test]
fn pages_are_small_and_cached_and_load_nothing_from_other_origins() {
    browse(async |browser| {
        // The OpenAPI document of the secure profile is larger than that of the tutorial.
        let (_gatepass, secure) = serve(&[]);
        let pages = iter::once((secure.address, SIZES[1])).chain(SIZES.map(|size| (tutorial(), size)));
        let transferred = "performance.getEntriesByType('navigation')\
             .concat(performance.getEntriesByType('resource'))\
             .map(({ name, transferSize }) => [name, transferSize])";
        let sum = |loaded: &[(String, u64)]| loaded.iter().map(|(_, size)| size).sum::<u64>();
        for (address, (page, limit, last)) in pages {
            let origin = format!("http://{address}/");
            browser.open(&format!("{origin}{page}")).await;
            browser.expect_displayed(last).await;
            let loaded = browser.evaluate(transferred).await;
            let loaded: Vec<(String, u64)> = serde_json::from_value(loaded).unwrap();
            // Chromium counts 300 bytes for the headers of each response, but they take up to 500.
            let first = sum(&loaded) + 200 * loaded.len() as u64;
            assert!((4096..=limit).contains(&first), "/{page}: {loaded:#?}");
            for (url, _) in loaded {
                assert!(
                    url.starts_with(&origin) || url.starts_with("data:") || url.starts_with("blob:"),
                    "{url}"
                );
            }

            browser.reload().await;
            browser.expect_displayed(last).await;
            let again = browser.evaluate(transferred).await;
            let again: Vec<(String, u64)> = serde_json::from_value(again).unwrap();
            assert!(sum(&again) <= 1024, "/{page}: {again:#?}");
        }
        let operations = "[...document.querySelectorAll('[id*=\"/operation/\"]')].map(({ id }) => id)";
        let expected = json!(["tag/OAuth2/operation/sign_in", "tag/Users/operation/read_users_me"]);
        assert_eq!(browser.evaluate(operations).await, expected);
        assert!(browser.text("#redoc").await.contains("/users/me"));
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

/// Clears all scopes in the Authorize dialog except `scopes`.
pub async fn keep_scopes(browser: &Browser, scopes: &[&str]) {
    let all = "[...document.querySelectorAll('.dialog-ux [id*=-password-checkbox-]')]\
         .filter((box) => box.checked).map((box) => box.value)";
    let all: Vec<String> = serde_json::from_value(browser.evaluate(all).await).unwrap();
    assert!(
        scopes.iter().all(|scope| all.iter().any(|one| one == scope)),
        "expected {scopes:?} to be among {all:?}"
    );
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

/// Expands `GET /users/me` and clicks "Try it out".
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
