//! The start page of the tutorial profile at `/`.

use serde_json::{Value, json};

use crate::{
    browser::{
        docs::johndoe,
        webdriver::{Browser, ENTER, browse},
    },
    support::{http::get, service::tutorial},
};

const DESKTOP: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);
const SMALL_PHONE: (u32, u32) = (320, 640);

/// The newest entry in the list of requests.
const NEWEST: &str = "#requests li:first-child";

fn start() -> String {
    format!("http://{}/", tutorial())
}

pub async fn sign_in(browser: &Browser, username: &str, password: &str) {
    browser.fill("#username", username).await;
    browser.fill("#password", password).await;
    browser.click("#submit").await;
}

pub async fn expect_error(browser: &Browser, part: &str) {
    browser
        .expect(&format!("{part:?} in #error"), true, async || browser.text("#error").await.contains(part))
        .await;
}

pub async fn expect_no_sideways_scroll(browser: &Browser, width: u32) {
    let widths = "[innerWidth, document.documentElement.scrollWidth, document.body.scrollWidth]";
    let sizes = browser.evaluate(widths).await;
    assert_eq!(sizes[0], width);
    for wide in [&sizes[1], &sizes[2]] {
        assert!(wide.as_u64().unwrap() <= u64::from(width), "{sizes}");
    }
}

async fn step(browser: &Browser, name: &str) {
    browser.click(&format!("#steps [data-step={name}]")).await;
}

async fn expect_signed_out(browser: &Browser) {
    browser.expect_displayed("#sign-in").await;
    browser.expect_hidden("#profile").await;
    browser.expect_hidden("#sign-out").await;
    let kept = "['#token', '#fields', '#display-name', '#username', '#password']\
         .map((css) => document.querySelector(css)).map((element) => element.value ?? element.textContent)";
    assert_eq!(
        browser.evaluate(kept).await,
        json!(["", "", "", "", ""]),
        "the page still contains user data"
    );
}

/// Expects the newest entries to show these requests and statuses, newest first.
async fn expect_requests(browser: &Browser, expected: &[&str]) {
    let script = format!(
        "[...document.querySelectorAll('#requests summary')].slice(0, {}).map((summary) =>\
         summary.querySelector('code').textContent + ' ' + summary.querySelector('b').textContent)",
        expected.len()
    );
    browser.expect("the requests", json!(expected), async || browser.evaluate(&script).await).await;
}

/// Returns the texts of an entry: the request and the response.
async fn exchange(browser: &Browser, entry: &str) -> [String; 2] {
    let texts =
        format!("[...document.querySelectorAll('{entry} details > pre')].map((pre) => pre.textContent)");
    serde_json::from_value(browser.evaluate(&texts).await).expect("a request and a response")
}

/// Clicks the copy button of an entry and returns the content of the clipboard.
async fn copied(browser: &Browser, entry: &str) -> String {
    browser.run(&format!("document.querySelector('{entry} details').open = true")).await;
    browser.click(&format!("{entry} .copy")).await;
    browser.expect_text(&format!("{entry} .copy"), "Copied").await;
    browser.evaluate("navigator.clipboard.readText()").await.as_str().unwrap().to_owned()
}

/// Asserts that the page stored nothing and did not change its URL.
async fn expect_no_traces(browser: &Browser) {
    assert_eq!(browser.stored().await, Vec::<Value>::new());
    assert_eq!(browser.url().await, start());
    assert_eq!(browser.evaluate("history.state").await, Value::Null);
}

#[test]
fn sign_in_and_sign_out_work_at_all_screen_sizes_and_leave_no_traces() {
    browse(async |browser| {
        for (width, height) in [DESKTOP, PHONE, SMALL_PHONE] {
            browser.resize(width, height);
            browser.open(&start()).await;
            browser.expect_displayed("#insecure").await;
            expect_no_sideways_scroll(browser, width).await;
            if height > 800 {
                let bottom = "document.querySelector('#submit').getBoundingClientRect().bottom";
                let bottom = browser.evaluate(bottom).await.as_f64().unwrap();
                assert!(
                    bottom < f64::from(height),
                    "expected the form to end within {height} pixels, got {bottom}"
                );
            }

            sign_in(browser, "johndoe", "wrong").await;
            expect_error(browser, "Incorrect username or password").await;
            browser.expect_focus("#password").await;
            sign_in(browser, "johndoe", "secret").await;
            browser.expect_text("#token", "johndoe").await;
            browser.expect_focus("#display-name").await;
            assert_eq!(browser.text("#error").await, "");
            let profile = browser.text("#profile").await;
            for value in ["johndoe", "johndoe@example.com", "John Doe", "false", "fakehashedsecret"] {
                assert!(profile.contains(value), "expected {value} in {profile:?}");
            }
            for part in ["header", "payload", "signature"] {
                assert!(browser.text(".jwt").await.contains(part), "expected {part} in .jwt");
            }
            expect_requests(browser, &["GET /users/me 200 OK", "POST /token 200 OK"]).await;
            browser
                .run("document.querySelectorAll('details').forEach((details) => { details.open = true })")
                .await;
            expect_no_sideways_scroll(browser, width).await;

            browser.click("#sign-out").await;
            expect_signed_out(browser).await;
            expect_no_traces(browser).await;
        }
        sign_in(browser, "johndoe", "secret").await;
        browser.expect_displayed("#profile").await;
        browser.reload().await;
        expect_signed_out(browser).await;
        browser.click("#submit").await;
        expect_error(browser, "Username").await;
        expect_error(browser, "Password").await;
    });
}

#[test]
fn each_step_shows_its_requests_and_an_explanation() {
    browse(async |browser| {
        browser.open(&start()).await;
        browser.allow_reading_the_clipboard();
        let origin = start();
        browser.expect_displayed("#no-requests").await;

        step(browser, "without-token").await;
        expect_requests(browser, &["GET /users/me 401 Unauthorized"]).await;
        browser.expect_hidden("#no-requests").await;
        let lesson = browser.text(&format!("{NEWEST} .lesson")).await;
        assert!(lesson.contains("WWW-Authenticate"), "{lesson}");
        let status = browser.evaluate("document.querySelector('#status').textContent").await;
        assert!(status.as_str().unwrap().contains("401 Unauthorized"), "{status}");
        let [request, response] = exchange(browser, NEWEST).await;
        assert_eq!(request, format!("GET {origin}users/me\nAccept: application/json"));
        let body = serde_json::to_string_pretty(&json!({ "detail": "Not authenticated" })).unwrap();
        let expected =
            format!("401 Unauthorized\nContent-Type: application/json\nWWW-Authenticate: Bearer\n\n{body}");
        assert_eq!(response, expected);
        assert_eq!(copied(browser, NEWEST).await, format!("curl -i {origin}users/me"));

        step(browser, "wrong-token").await;
        expect_requests(browser, &["GET /users/me 401 Unauthorized"; 2]).await;
        let [request, response] = exchange(browser, NEWEST).await;
        assert!(request.ends_with("\nAuthorization: Bearer nobody"), "{request}");
        assert!(response.contains("Not authenticated"), "{response}");

        step(browser, "wrong-password").await;
        expect_requests(browser, &["POST /token 400 Bad Request"]).await;
        let [request, response] = exchange(browser, NEWEST).await;
        assert!(request.ends_with("\n\nusername=johndoe&password=wrong"), "{request}");
        assert!(response.contains("Incorrect username or password"), "{response}");

        step(browser, "johndoe").await;
        expect_requests(browser, &["GET /users/me 200 OK", "POST /token 200 OK"]).await;
        let [request, response] = exchange(browser, NEWEST).await;
        assert!(request.ends_with("\nAuthorization: Bearer johndoe"), "{request}");
        let (_, body) = response.split_once("\n\n").expect("a body");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap(), johndoe());
        let command = format!("curl -i -H 'Authorization: Bearer johndoe' {origin}users/me");
        assert_eq!(copied(browser, NEWEST).await, command);
        let command = format!("curl -i -d 'username=johndoe&password=secret' {origin}token");
        assert_eq!(copied(browser, "#requests li:nth-child(2)").await, command);

        step(browser, "alice").await;
        expect_requests(browser, &["GET /users/me 400 Bad Request", "POST /token 200 OK"]).await;
        expect_error(browser, "Inactive user").await;
        browser.expect_text("#token", "alice").await;
        browser.expect_hidden("#profile").await;

        step(browser, "sign-out").await;
        expect_signed_out(browser).await;
        browser.expect_text("#error", "").await;
        assert!(browser.text("#notice").await.contains("Signed out"));
        let disabled = "document.querySelector('#steps [data-step=sign-out]').disabled";
        assert_eq!(browser.evaluate(disabled).await, true);

        // The page does not show a password that the visitor has entered.
        sign_in(browser, "johndoe", "my own password").await;
        expect_requests(browser, &["POST /token 400 Bad Request"]).await;
        assert!(!browser.evaluate("document.body.textContent").await.as_str().unwrap().contains("my own"));
        let command =
            format!("curl -i -d 'username=johndoe' --data-urlencode \"password=$PASSWORD\" {origin}token");
        assert_eq!(copied(browser, NEWEST).await, command);

        // The example commands on the page.
        for (number, command) in (1..).zip([
            format!("curl -d 'username=johndoe&password=secret' {origin}token"),
            format!("curl -H 'Authorization: Bearer johndoe' {origin}users/me"),
            format!("curl -i {origin}users/me"),
        ]) {
            browser.click(&format!(".terminal .curl:nth-of-type({number}) .copy")).await;
            let clipboard = "navigator.clipboard.readText()";
            browser.expect("the clipboard", json!(command), async || browser.evaluate(clipboard).await).await;
        }
    });
}

#[test]
fn start_page_is_usable_by_keyboard() {
    browse(async |browser| {
        browser.open(&start()).await;
        browser.tab_to("#username").await;
        browser.press("johndoe").await;
        browser.tab_to("#password").await;
        browser.press(&format!("wrong{ENTER}")).await;
        expect_error(browser, "Incorrect username or password").await;
        browser.expect_focus("#password").await;
        browser.press(&format!("secret{ENTER}")).await;
        browser.expect_displayed("#profile").await;
        browser.expect_focus("#display-name").await;
        browser.tab_to(&format!("{NEWEST} summary")).await;
        browser.press(ENTER).await;
        browser.expect_displayed(&format!("{NEWEST} pre")).await;
        browser.open(&start()).await;
        for (name, request) in [
            ("johndoe", "GET /users/me 200 OK"),
            ("sign-out", "GET /users/me 200 OK"),
            ("without-token", "GET /users/me 401 Unauthorized"),
            ("alice", "GET /users/me 400 Bad Request"),
        ] {
            browser.tab_to(&format!("#steps [data-step={name}]")).await;
            browser.press(" ").await;
            expect_requests(browser, &[request]).await;
            match name {
                "sign-out" => browser.expect_focus("#username").await,
                _ => browser.expect_focus(&format!("[data-step={name}]")).await,
            }
        }
    });
}

/// Returns a script that makes the device appear online or offline.
fn online(is_online: bool) -> String {
    let event = if is_online { "online" } else { "offline" };
    format!(
        "Object.defineProperty(navigator, 'onLine', {{ get: () => {is_online}, configurable: true }});\
         dispatchEvent(new Event('{event}'))"
    )
}

#[test]
fn slow_or_failed_requests_and_an_offline_device_are_reported_until_a_retry_succeeds() {
    browse(async |browser| {
        browser.open(&start()).await;
        // Holds each request until `release` sends it or `fail` rejects it.
        browser
            .run(
                "const send = window.fetch; window.fetch = (...request) => new Promise((resolve, reject) => {\
                     window.release = () => resolve(send(...request));\
                     window.fail = () => reject(new TypeError('no connection')); })",
            )
            .await;
        step(browser, "without-token").await;
        browser.expect_displayed(".waiting").await;
        browser.run("release()").await;
        expect_requests(browser, &["GET /users/me 401 Unauthorized"]).await;
        browser.expect_hidden(".waiting").await;

        step(browser, "without-token").await;
        browser.run("fail()").await;
        expect_requests(browser, &["GET /users/me no response"]).await;
        browser.expect_text("#connection p", "The last request got no response.").await;
        browser.run(&online(false)).await;
        browser.expect_text("#connection p", "This device is offline.").await;
        browser.run(&online(true)).await;
        browser.expect_text("#connection p", "The last request got no response.").await;
        browser.click("#retry").await;
        browser.run("release()").await;
        expect_requests(browser, &["GET /users/me 401 Unauthorized"]).await;
        browser.expect_hidden("#connection").await;

        // Even without a click, the page repeats the request automatically.
        step(browser, "without-token").await;
        browser.run("release = null; fail()").await;
        browser.expect_displayed("#connection").await;
        browser.expect("a retry", json!(true), async || browser.evaluate("release !== null").await).await;
        browser.run("release()").await;
        browser.expect_hidden("#connection").await;
        expect_requests(browser, &["GET /users/me 401 Unauthorized"]).await;
    });
}

#[test]
fn curl_commands_in_the_static_page_contain_the_request_host_if_it_is_valid() {
    for (host, address) in [
        ("example.com:8443", "http://example.com:8443/token"),
        ("[::1]:8000", "http://[::1]:8000/token"),
        ("evil.example/'<script>", "http://127.0.0.1:8000/token"),
    ] {
        let page = get("/").header("Host", host).send(tutorial());
        if page.status == 400 {
            continue; // The request was refused before it reached the page.
        }
        assert!(page.text().contains(&format!(">{address}<")), "{host}: {}", page.text());
    }
}
