//! The sign-in and account pages over HTTP. `tests/browser` tests them in Chromium.

use std::fs;

use serde_json::json;

use crate::secure::{
    JOHNDOE, Reply, Request, SECOND, Service, TIMEOUT, concurrently, cookie_named, expect_missing,
    expect_oauth2_error, get, on_both, on_sqlite, outcome, post_form, request, rows, serve, serve_command,
    wait_until, with_service,
};

const NO_ORIGIN: &str =
    "The Origin header is missing: send it with the origin of this service, or use a token from /token";
const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Returns the request as a browser sends it when the user follows a link or submits a form on a page of the service.
fn navigation(request: Request) -> Request {
    request.header("Accept", HTML).header("Sec-Fetch-Site", "same-origin")
}

fn open(service: &Service, path: &str) -> Reply {
    navigation(get(path)).send(service.address)
}

fn open_with(service: &Service, path: &str, cookie: &str) -> Reply {
    navigation(get(path)).header("Cookie", cookie).send(service.address)
}

fn submit(service: &Service, path: &str, form: &str) -> Reply {
    navigation(post_form(path, form)).send(service.address)
}

fn submit_with(service: &Service, path: &str, cookie: &str, form: &str) -> Reply {
    navigation(post_form(path, form)).header("Cookie", cookie).send(service.address)
}

#[track_caller]
fn session_cookie(reply: &Reply) -> String {
    cookie_named("gatepass_session", reply)
}

/// Signs johndoe in and returns the cookie.
#[track_caller]
fn sign_in(service: &Service) -> String {
    let reply = submit(service, "/login", JOHNDOE);
    expect_redirect(&reply, "account");
    session_cookie(&reply)
}

#[track_caller]
fn expect_redirect(reply: &Reply, location: &str) {
    assert_eq!((reply.status, reply.header("location").as_deref()), (303, Some(location)), "{reply:?}");
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"), "{reply:?}");
}

#[track_caller]
fn expect_page(reply: &Reply, status: u16, parts: &[&str]) -> String {
    assert_eq!(reply.status, status, "{}", reply.text());
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(reply.header(name).as_deref(), Some(value), "{reply:?}");
    }
    let policy = reply.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "script-src 'self';"] {
        assert!(policy.contains(part), "{policy}");
    }
    let text = reply.text();
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    // The page has neither inline scripts nor inline styles.
    assert!(
        !text.contains("style=") && !text.contains("<style") && text.matches("<script").count() == 1,
        "{text}"
    );
    text
}

#[test]
fn visitors_are_redirected_to_the_sign_in_page_and_back() {
    with_service(&[], |_, service| {
        for path in ["/", "/account", "/account?page=2"] {
            let next = match path {
                "/" => "login",
                "/account" => "login?next=account",
                _ => "login?next=account%3Fpage%3D2",
            };
            expect_redirect(&open(&service, path), next);
        }
        let old = format!("gatepass_session={}", "x".repeat(43));
        let expired = open_with(&service, "/account", &old);
        expect_redirect(&expired, "login?done=expired&next=account");
        let page = open_with(&service, "/login?done=expired&next=account%3Fpage%3D2", &old);
        expect_page(
            &page,
            200,
            &[
                "Your session has ended. Sign in again.",
                r#"<input type="hidden" name="next" value="account?page=2">"#,
                r#"<html lang="en">"#,
                "<title>Sign in – 127.0.0.1</title>",
            ],
        );
        expect_redirect(
            &submit_with(&service, "/account/end-sessions", &old, ""),
            "../login?done=expired&next=account",
        );

        let reply = submit(&service, "/login", &format!("{JOHNDOE}&next=account%3Fpage%3D2"));
        expect_redirect(&reply, "account?page=2");
        let cookie = session_cookie(&reply);
        expect_redirect(&open_with(&service, "/", &cookie), "account");
        expect_redirect(&open_with(&service, "/login", &cookie), "account");
        for own_parameter in ["", "&page=last", "&page=1&page=2", "&session=a&session=b"] {
            let path = format!("/login?next=/orders{own_parameter}");
            expect_redirect(&open_with(&service, &path, &cookie), "/orders");
        }
        // The pages ignore the `Authorization` header, because browsers send it if a proxy requires HTTP Basic.
        let basic =
            navigation(get("/account")).header("Cookie", &cookie).header("Authorization", "Basic eDp5");
        assert_eq!(basic.send(service.address).status, 200);
        expect_redirect(&open(&service, "/account?done=password&page=3"), "login?next=account%3Fpage%3D3");
        expect_redirect(&open(&service, "/logout"), "account");
        let user = |cookie: &str| open_with(&service, "/account/user", cookie).text();
        let id = user(&cookie);
        assert!(open_with(&service, "/account", &cookie).text().contains(&format!("data-user=\"{id}\"")));
        assert!(!id.is_empty() && user(&old).is_empty(), "{id}");
        for next in ["https://evil.example", "//evil.example", "evil", "account//evil.example"] {
            expect_redirect(&open_with(&service, &format!("/login?next={next}"), &cookie), "account");
            assert!(!open(&service, &format!("/login?next={next}")).text().contains("evil"));
        }
        let head = navigation(request("HEAD", "/account")).header("Cookie", &cookie).send(service.address);
        assert_eq!((head.status, head.body.len()), (200, 0));

        let out = submit_with(&service, "/logout", &cookie, "");
        expect_redirect(&out, "login?done=signed-out");
        assert_eq!(session_cookie(&out), "gatepass_session=");
        expect_page(&open(&service, "/login?done=signed-out"), 200, &["You have signed out."]);
        // An unknown value of `done` shows no notice.
        let page = open(&service, "/login?done=%3Cb%3Ehello%3C/b%3E");
        assert!(!page.text().contains("hello"), "{page:?}");
        expect_redirect(&open_with(&service, "/account", &cookie), "login?done=expired&next=account");
        // A bearer token does not give access to the pages.
        let token = service.token(JOHNDOE);
        let by_token = navigation(get("/account")).bearer(&token).send(service.address);
        expect_redirect(&by_token, "login?next=account");
    });
}

#[test]
fn failed_sign_in_shows_the_form_with_an_explanation() {
    let (gatepass, service) = on_sqlite(&[]);
    gatepass.add("alice", &["--disabled"]).done();
    gatepass.add("robot", &["--scopes", ""]).done();
    let field = |name: &str, value: &str| format!(r#"name="{name}" value="{value}""#);
    let wrong = submit(&service, "/login", "username=johndoe&password=wrong&next=/orders");
    let page = expect_page(
        &wrong,
        400,
        &[
            "<title>Error: Sign in – 127.0.0.1</title>",
            r#"role="alert"><p>The username or password is wrong.</p>"#,
            &field("username", "johndoe"),
            &field("next", "/orders"),
        ],
    );
    assert_eq!(page.matches("aria-invalid").count(), 2);
    assert!(!page.contains(">wrong"), "{page}");
    let unknown = submit(&service, "/login", "username=nobody&password=wrong");
    expect_page(&unknown, 400, &["The username or password is wrong."]);
    let disabled = submit(&service, "/login", "username=alice&password=alice's+own+passphrase");
    expect_page(&disabled, 400, &["This account is disabled."]);
    let wrong = submit(&service, "/login", "username=alice&password=wrong");
    assert!(!expect_page(&wrong, 400, &[]).contains("disabled"));
    let empty = submit(&service, "/login", "username=&password=");
    let page = expect_page(&empty, 400, &["Enter your username. Enter your password."]);
    assert_eq!(page.matches("autofocus").count(), 1);
    let no_password = submit(&service, "/login", "username=johndoe");
    assert_eq!(expect_page(&no_password, 400, &["Enter your password."]).matches("aria-invalid").count(), 1);
    for form in ["username=johndoe&password=x&next=//evil.example", "username=%ff&password=x"] {
        let reply = submit(&service, "/login", form);
        assert!(!expect_page(&reply, 400, &["The form could not be read."]).contains("evil"));
    }
    // Field values are escaped.
    let script = submit(
        &service,
        "/login",
        "username=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&password=x&next=/%22%3E%3Cb%3E",
    );
    let page = expect_page(&script, 400, &["&#34;&#62;&#60;script&#62;alert(1)"]);
    assert!(!page.contains("<b>"), "{page}");

    // Programs get JSON, including the reason why a request without an origin is refused.
    let json = post_form("/login", "username=johndoe&password=wrong").header("Sec-Fetch-Site", "same-origin");
    let json = json.send(service.address);
    expect_oauth2_error(&json, 400, "invalid_grant", "Incorrect username or password");
    let missing = post_form("/login", "username=johndoe").header("Sec-Fetch-Site", "same-origin");
    expect_missing(&missing.send(service.address), "password");
    let no_origin = post_form("/login", JOHNDOE).send(service.address);
    assert_eq!(outcome(&no_origin), (403, NO_ORIGIN.into(), None));
    let no_origin = post_form("/login", JOHNDOE).header("Accept", HTML).send(service.address);
    expect_page(
        &no_origin,
        403,
        &["Open this service at its own address", r#"value="johndoe""#, "<a href=\"http://127.0.0.1:"],
    );
    let foreign = post_form("/login", JOHNDOE).header("Accept", HTML).header("Sec-Fetch-Site", "cross-site");
    assert_eq!(foreign.send(service.address).status, 403);
    let other_method = request("PUT", "/login").send(service.address);
    assert_eq!((other_method.status, other_method.header("allow").as_deref()), (405, Some("POST")));
    assert_eq!(rows(&gatepass, "SELECT id FROM sessions"), [""; 0]);

    // A user without the scope that the account page requires can sign in, but cannot open the page.
    gatepass.add("guest", &["--scopes", "users:read"]).done();
    let reply = submit(&service, "/login", "username=guest&password=guest's+own+passphrase");
    let cookie = session_cookie(&reply);
    expect_page(&open_with(&service, "/account", &cookie), 403, &["No access", "logout"]);
    let forbidden =
        "SELECT username FROM users WHERE id IN (SELECT user_id FROM audit WHERE event = 'forbidden')";
    wait_until(TIMEOUT, "the refusal is recorded", || rows(&gatepass, forbidden) == ["guest"]);
    expect_redirect(&open_with(&service, "/login?next=/orders", &cookie), "/orders");
    let without_passwords = serve(&gatepass, &["--password-grant", "off"]);
    let form = submit(&without_passwords, "/login", JOHNDOE);
    for (reply, status) in [(form, 400), (open(&without_passwords, "/login"), 200)] {
        let page = expect_page(&reply, status, &["Signing in with a password is turned off."]);
        assert!(!page.contains("name=\"password\""), "{page}");
    }
    drop(without_passwords);
    let cookie = sign_in(&service);
    assert_eq!(open_with(&service, "/account", &cookie).status, 200);
    rows(&gatepass, "ALTER TABLE sessions RENAME TO gone");
    rows(&gatepass, "ALTER TABLE users RENAME TO nobody");
    let broken = submit(&service, "/login", JOHNDOE);
    expect_page(&broken, 500, &["Something went wrong. Try again later.", "value=\"johndoe\""]);
    // A database error is not treated as a missing session.
    let unknown = format!("gatepass_session={}", "x".repeat(43));
    for path in ["/", "/login"] {
        expect_page(&open_with(&service, path, &unknown), 500, &["Something went wrong. Try again later."]);
    }
    // The session is cached, but the list of sessions is not.
    let broken = open_with(&service, "/account", &cookie);
    expect_page(
        &broken,
        500,
        &["That did not work", "href=\"account\"", "Something went wrong. Try again later."],
    );
}

#[test]
fn sign_in_page_of_a_busy_service_asks_the_user_to_try_again_soon() {
    let busy = ["--hash-threads=1", "--hash-queue=1", "--hash-max-wait=0", "--argon2-memory=65536"];
    let (_gatepass, service) = on_sqlite(&busy);
    // The dummy hash for unknown users has the same parameters as new hashes.
    let replies = concurrently(8, |_| submit(&service, "/login", "username=nobody&password=wrong"));
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert!(!refused.is_empty(), "{replies:?}");
    for reply in refused {
        expect_page(reply, 503, &["The service is busy at the moment. Try again soon.", "value=\"nobody\""]);
        assert!(reply.header("retry-after").is_some(), "{reply:?}");
    }
}

#[test]
fn throttled_sign_in_shows_how_long_to_wait() {
    let (gatepass, service) = on_sqlite(&["--login-throttle=on", "--login-throttle-account-failures=1"]);
    for _ in 0..2 {
        submit(&service, "/login", "username=johndoe&password=wrong");
    }
    rows(&gatepass, "UPDATE failures SET count = count + 10 WHERE name LIKE '% %' RETURNING name");
    let reply = submit(&service, "/login", JOHNDOE);
    let seconds = reply.header("retry-after").expect("a time");
    expect_page(
        &reply,
        429,
        &[
            "Too many attempts.",
            &format!("Try again in {} minutes.", seconds.parse::<u64>().unwrap().div_ceil(60)),
            &format!(r#"data-seconds="{seconds}""#),
            "value=\"johndoe\"",
        ],
    );
}

#[test]
fn sign_in_refused_by_the_rate_limit_keeps_the_field_values() {
    let (_gatepass, service) = on_sqlite(&["--login-throttle=on", "--login-throttle-rate=1"]);
    let replies = concurrently(15, |_| submit(&service, "/login", "username=nobody&password=&next=/orders"));
    let refused = replies.iter().find(|reply| reply.status == 429).expect("a response with 429");
    expect_page(refused, 429, &["Too many attempts.", r#"value="nobody""#, r#"name="next" value="/orders""#]);
}

#[test]
fn request_refused_before_it_reaches_an_endpoint_returns_a_page_to_browsers_and_json_to_programs() {
    let arguments = ["--issuer", "https://sign-in.example.com", "--max-header-bytes=2048"];
    let (_gatepass, service) = on_sqlite(&arguments);
    for accept in [HTML, "application/json"] {
        for (request, status, text) in [
            (
                post_form("/login", JOHNDOE).header("Sec-Fetch-Site", "cross-site"),
                403,
                "<a href=\"https://sign-in.example.com\">",
            ),
            (get("/login").header("Host", "other.example"), 421, "Open this service at its own address"),
            (get("/login").header("X", "x".repeat(3000)), 431, "Delete the cookies of this site"),
        ] {
            let reply = request.header("Accept", accept).send(service.address);
            if accept == HTML {
                expect_page(&reply, status, &[text]);
            } else {
                assert!(reply.status == status && reply.json()["detail"].is_string(), "{reply:?}");
            }
        }
    }
}

#[test]
fn failed_attempts_by_strangers_do_not_throttle_a_password_change_from_a_known_network() {
    let (gatepass, service) = on_sqlite(&["--login-throttle=on"]);
    let cookie = sign_in(&service);
    submit(&service, "/login", "username=johndoe&password=wrong");
    let failures = "UPDATE failures SET count = 200 WHERE length(name) = 43 RETURNING name";
    assert_eq!(rows(&gatepass, failures).len(), 1);
    let form = "current_password=johndoe's+own+passphrase&new_password=four+quite+unrelated+words";
    let reply = submit_with(&service, "/account/password", &cookie, form);
    expect_redirect(&reply, "../account?done=password");
    let cookie = session_cookie(&reply);
    // Errors that do not concern a field are shown at the top of the page.
    rows(&gatepass, "UPDATE failures SET count = 200 WHERE name LIKE '% 127%' RETURNING name");
    for _ in 0..2 {
        submit_with(&service, "/account/password", &cookie, "current_password=x&new_password=y");
    }
    rows(&gatepass, "UPDATE failures SET count = 200 WHERE name LIKE '% 127%' RETURNING name");
    let refused = submit_with(&service, "/account/password", &cookie, "current_password=x&new_password=y");
    let page = expect_page(&refused, 429, &["Too many attempts.", "<title>Error: "]);
    assert!(page.find("Too many attempts.") < page.find("id=\"profile\""), "{page}");
}

#[test]
fn password_change_that_fails_after_the_sessions_ended_redirects_to_the_sign_in_page() {
    let (gatepass, service) = on_sqlite(&[]);
    let form = "current_password=johndoe's+own+passphrase&new_password=four+quite+unrelated+words";
    rows(
        &gatepass,
        "CREATE TRIGGER stuck BEFORE UPDATE OF password_hash ON users BEGIN SELECT RAISE(ABORT, 'x'); END",
    );
    let reply = submit_with(&service, "/account/password", &sign_in(&service), form);
    expect_redirect(&reply, "../login?done=expired&next=account");
    rows(&gatepass, "DROP TRIGGER stuck");
    // The password is changed, but sessions that were started during the change cannot be ended.
    rows(
        &gatepass,
        "CREATE TRIGGER late AFTER UPDATE OF password_hash ON users BEGIN \
         UPDATE credential_versions SET version = 1000; END",
    );
    rows(
        &gatepass,
        "CREATE TRIGGER stuck BEFORE UPDATE ON credential_versions WHEN NEW.version > 1001 BEGIN \
         SELECT RAISE(ABORT, 'x'); END",
    );
    let reply = submit_with(&service, "/account/password", &sign_in(&service), form);
    expect_redirect(&reply, "../login?done=expired&next=account");
}

#[test]
fn form_fields_have_autocomplete_attributes_for_password_managers() {
    let (_gatepass, service) = on_sqlite(&[]);
    let sign_in_page = open(&service, "/login");
    expect_page(&sign_in_page, 200, &[r#"autocomplete="username""#, r#"autocomplete="current-password""#]);
    let fields =
        ["username", "current-password", "new-password"].map(|name| format!("autocomplete=\"{name}\""));
    let account = open_with(&service, "/account", &sign_in(&service));
    expect_page(&account, 200, &fields.each_ref().map(String::as_str));
}

#[test]
fn account_page_lists_sessions_and_ends_them() {
    on_both(|gatepass| {
        let service = serve(gatepass, &[]);
        let agent =
            |number: u32| format!("Mozilla/5.0 (Windows NT 10.0) <b>\"{number}\"</b> Firefox/{number}");
        let others: Vec<_> = (0..11)
            .map(|number| {
                let request = navigation(post_form("/login", JOHNDOE)).header("User-Agent", agent(number));
                session_cookie(&request.send(service.address))
            })
            .collect();
        let cookie = sign_in(&service);
        let page = expect_page(
            &open_with(&service, "/account", &cookie),
            200,
            &[
                "<title>Your account – 127.0.0.1</title>",
                "<h1><bdi>John Doe</bdi></h1>",
                "johndoe@example.com",
                "Page 1 of 2",
                "Firefox on Windows",
                "127.0.0.1",
                "&#60;b&#62;&#34;",
            ],
        );
        let ids = |page: &str| -> Vec<String> {
            let parts = page.split("<button name=\"session\" value=\"").skip(1);
            parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
        };
        let first = ids(&page);
        assert_eq!(first.len(), 10);
        let current = page.find("This browser").expect("the current session");
        assert!(current < page.find("Firefox").unwrap(), "the current session is not listed first");
        let second = open_with(&service, "/account?page=2", &cookie).text();
        assert_eq!(ids(&second).len(), 2);
        assert!(second.contains(r#"<input type="hidden" name="page" value="2">"#), "{second}");
        // After a session has ended, the same page of the list is shown.
        let none = submit_with(&service, "/account/end-session", &cookie, "session=x&page=2");
        expect_redirect(&none, "../account?done=session&page=2");
        for page in ["0", "99", "x", "-1", "18446744073709551616"] {
            assert_eq!(open_with(&service, &format!("/account?page={page}"), &cookie).status, 200);
        }

        // If scripts are disabled, a page asks for confirmation first.
        let ask = format!("/account/end-session?session={}", first[1]);
        expect_page(
            &open_with(&service, &ask, &cookie),
            200,
            &[
                "End this session?",
                "Firefox on Windows",
                r#"href="../account/static/"#,
                r#"action="../account/end-session""#,
                &format!(r#"name="session" value="{}""#, first[1]),
            ],
        );
        expect_redirect(&open_with(&service, "/account/end-session?session=x", &cookie), "../account");
        expect_redirect(&open(&service, "/account/end-session?session=x"), "../login?next=account");
        let ended =
            || others.iter().filter(|cookie| open_with(&service, "/account", cookie).status == 303).count();
        let form = format!("session={}", first[1]);
        for foreign in [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example"), ("X", "x")] {
            let request =
                post_form("/account/end-session", &form).header("Accept", HTML).header("Cookie", &cookie);
            assert_eq!(request.header(foreign.0, foreign.1).send(service.address).status, 403);
        }
        assert_eq!(ended(), 0);
        let reply = submit_with(&service, "/account/end-session", &cookie, &form);
        expect_redirect(&reply, "../account?done=session");
        assert_eq!(ended(), 1);
        expect_page(&open_with(&service, "/account?done=session", &cookie), 200, &["The session has ended."]);
        // The IDs of an ended session and of an unknown session, and an empty ID.
        for id in [&first[1], "x", ""] {
            let reply = submit_with(&service, "/account/end-session", &cookie, &format!("session={id}"));
            assert!([303, 400].contains(&reply.status), "{reply:?}");
        }
        assert_eq!(ended(), 1);

        let reply = submit_with(&service, "/account/end-session", &cookie, &format!("session={}", first[0]));
        expect_redirect(&reply, "../login?done=signed-out");
        assert_eq!(session_cookie(&reply), "gatepass_session=");
        expect_redirect(&open_with(&service, "/account", &cookie), "login?done=expired&next=account");

        let cookie = sign_in(&service);
        expect_page(&open_with(&service, "/account/end-sessions", &cookie), 200, &["Sign out everywhere?"]);
        let reply = submit_with(&service, "/account/end-sessions", &cookie, "");
        expect_redirect(&reply, "../login?done=signed-out-everywhere");
        assert_eq!(ended(), others.len());
        expect_page(
            &open(&service, "/login?done=signed-out-everywhere"),
            200,
            &["You have signed out everywhere."],
        );
    });
}

#[test]
fn password_change_explains_refusals_and_keeps_the_browser_signed_in() {
    let (gatepass, service) = on_sqlite(&["--password-min-length", "20"]);
    let (cookie, other) = (sign_in(&service), sign_in(&service));
    let current = "current_password=johndoe's+own+passphrase";
    expect_page(&open_with(&service, "/account", &cookie), 200, &["has at least 20 characters"]);
    assert!(!open_with(&service, "/account", &cookie).text().contains("breached"));
    let change = |form: &str| submit_with(&service, "/account/password", &cookie, form);
    for (form, field, text) in [
        ("", "current-error", "Enter your current password."),
        (current, "new-error", "Enter a new password."),
        (
            "current_password=wrong&new_password=four+quite+unrelated+words",
            "current-error",
            "The current password is wrong.",
        ),
        (&format!("{current}&new_password=purple+teapots"), "new-error", "must have at least 20 characters."),
        (&format!("{current}&new_password=passwordpasswordpassword"), "new-error", "too easy to guess."),
        (
            &format!("{current}&new_password=johndoe@example.com+johndoe"),
            "new-error",
            "is based on your username",
        ),
        (&format!("{current}&new_password=johndoe's+own+passphrase"), "new-error", "The new password is"),
        (
            &format!("{current}&new_password={}", "x".repeat(1100)),
            "new-error",
            "The new password is too long.",
        ),
    ] {
        let page = expect_page(
            &change(form),
            400,
            &[
                "<title>Error: Your account",
                &format!(r#"<p id="{field}" class="field-error">"#),
                text,
                r#"href="../account/static/"#,
                "aria-invalid",
            ],
        );
        assert!(!page.contains("passphrase") && !page.contains("teapots"), "{page}");
    }
    let new = "four+quite+unrelated+words";
    let foreign = post_form("/account/password", format!("{current}&new_password={new}"));
    let foreign =
        foreign.header("Accept", HTML).header("Cookie", &cookie).header("Sec-Fetch-Site", "same-site");
    assert_eq!(foreign.send(service.address).status, 403);
    assert_eq!(open_with(&service, "/account", &other).status, 200);

    let reply = change(&format!("{current}&new_password={new}"));
    expect_redirect(&reply, "../account?done=password");
    let renewed = session_cookie(&reply);
    expect_page(
        &open_with(&service, "/account?done=password", &renewed),
        200,
        &["Your password was changed."],
    );
    for old in [&cookie, &other] {
        assert_eq!(open_with(&service, "/account", old).status, 303);
    }
    assert_eq!(service.sign_in(JOHNDOE).status, 400);
    assert_eq!(service.sign_in(&format!("username=johndoe&password={new}")).status, 200);
    expect_redirect(&open_with(&service, "/account/password", &renewed), "../account");
    // Disabling the user ends the new session too.
    gatepass.done(&["users", "disable", "johndoe"]);
    wait_until(SECOND, "the session ends", || open_with(&service, "/account", &renewed).status == 303);
}

#[test]
fn recent_activity_lists_only_the_users_own_events() {
    on_both(|gatepass| {
        let service = serve(gatepass, &[]);
        gatepass.add("alice", &["--scopes", "me"]).done();
        // This entry is older than the account: another user may have had the same username.
        let old = "INSERT INTO audit (time, event, username, username_key, address, count) \
                   VALUES (1000, 'sign_in_failed', 'johndoe', 'johndoe', '203.0.113.99', 1) RETURNING event";
        rows(gatepass, old);
        for name in ["johndoe", "johndoe", "JohnDoe", "alice"] {
            let form = format!("username={name}&password=wrong");
            let agent = "Mozilla/5.0 (Macintosh; Intel Mac OS X) <i>Firefox/130</i>";
            navigation(post_form("/login", form)).header("User-Agent", agent).send(service.address);
        }
        submit(&service, "/login", "username=alice&password=alice's+own+passphrase");
        let cookie = sign_in(&service);
        let events = || {
            let page = open_with(&service, "/account", &cookie).text();
            page.split("id=\"events\"").nth(1).unwrap().split("</section>").next().unwrap().to_owned()
        };
        // The failures are one entry, or two if a new minute begins between them. The other entries are the sign-in and
        // the creation of the account.
        let (failure, is_entry) = ("Failed sign-in: wrong password", 3..=4);
        wait_until(TIMEOUT, "the events are recorded", || {
            let events = events();
            events.contains("Signed in") && events.contains(failure) && events.contains(" times")
        });
        let found = events();
        assert!(is_entry.contains(&found.matches("<li>").count()), "{found}");
        assert!(found.contains("Signed in") && found.contains("127.0.0.1, Firefox on macOS"), "{found}");
        assert!(!found.contains("203.0.113.99") && !found.contains("<i>"), "{found}");
        // Failed attempts by strangers can neither put text on the page nor displace the user's own events.
        let many = "INSERT INTO audit (time, event, username, username_key, user_agent, count, failure) \
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT \
                    4000000000 + i, 'sign_in_failed', 'johndoe', 'johndoe', 'https://evil.example/unlock', 1, \
                    CAST(i AS TEXT) FROM n RETURNING event";
        rows(gatepass, many);
        let found = events();
        assert!(found.contains("Signed in") && found.contains("Unknown device"), "{found}");
        assert!(!found.contains("evil") && found.matches("<li>").count() == 10, "{found}");
    });
}

#[test]
fn pages_are_in_german_if_the_browser_prefers_german_or_the_language_is_set_to_de() {
    let (gatepass, service) = on_sqlite(&[]);
    let german =
        |request: Request| navigation(request).header("Accept-Language", "fr, de-AT;q=0.9, en;q=0.5");
    let reply = german(get("/login")).send(service.address);
    expect_page(&reply, 200, &[r#"<html lang="de">"#, "<h1>Anmelden</h1>", "Passwort anzeigen"]);
    assert_eq!(reply.header("content-language").as_deref(), Some("de"));
    assert_eq!(reply.header("vary").as_deref(), Some("Accept-Language"));
    let reply = german(post_form("/login", "username=johndoe&password=wrong")).send(service.address);
    expect_page(&reply, 400, &["Fehler: Anmelden", "Benutzername oder Passwort ist falsch."]);
    let cookie = session_cookie(&german(post_form("/login", JOHNDOE)).send(service.address));
    let account = german(get("/account")).header("Cookie", &cookie).send(service.address);
    expect_page(&account, 200, &["hat mindestens 15 Zeichen", "Überall abmelden", "Uhr (UTC)"]);
    let form = "current_password=johndoe's+own+passphrase&new_password=short";
    let refused =
        german(post_form("/account/password", form)).header("Cookie", &cookie).send(service.address);
    expect_page(&refused, 400, &["Das neue Passwort muss mindestens 15 Zeichen haben."]);
    let missing = german(get("/nothing/here")).send(service.address);
    expect_page(&missing, 404, &["Seite nicht gefunden"]);
    drop(service);
    let service = serve(&gatepass, &["--language", "de"]);
    let reply = open(&service, "/login");
    expect_page(&reply, 200, &["<h1>Anmelden</h1>"]);
    assert_eq!(reply.header("vary"), None);
}

#[test]
fn unknown_path_returns_a_page_to_browsers_and_json_to_programs() {
    let (gatepass, service) = on_sqlite(&[]);
    for path in ["/nothing", "/a/b/c", "/account/x", "/account/static/x/none.css", "/%3Cscript%3E"] {
        let page = expect_page(&open(&service, path), 404, &["Page not found"]);
        let root = "../".repeat(path.matches('/').count() - 1);
        assert!(
            page.contains(&format!(r#"href="{root}account/static/"#)) && !page.contains("<script>"),
            "{page}"
        );
        let json = get(path).header("Accept", "*/*").send(service.address);
        assert_eq!((json.status, json.json()), (404, json!({ "detail": "Not Found" })), "{path}");
    }
    let post = submit(&service, "/nothing", "");
    assert_eq!(post.json(), json!({ "detail": "Not Found" }));
    let slash = open(&service, "/account/");
    assert_eq!((slash.status, slash.header("location").as_deref()), (307, Some("../account")));
    drop(service);
    // If session cookies are off, the service has neither sign-in nor account pages.
    let service = serve(&gatepass, &["--session-cookies", "off"]);
    expect_redirect(&open(&service, "/"), "docs");
    for path in ["/login", "/account", "/logout"] {
        let page = expect_page(&open(&service, path), 404, &["Page not found"]);
        assert!(!page.contains("Your account"), "{page}");
    }
}

#[test]
fn pages_show_the_configured_name_logo_color_and_help_link() {
    let (gatepass, service) = on_sqlite(&["--issuer", "https://sign-in.example.com"]);
    let files = |page: &str| {
        page.split("href=\"account/static/").nth(1).unwrap().split('/').next().unwrap().to_owned()
    };
    let page = expect_page(&open(&service, "/login"), 200, &["<bdi>sign-in.example.com</bdi>"]);
    assert!(!page.to_lowercase().contains("gatepass") && !page.contains("<footer>"), "{page}");
    drop(service);

    let logo = gatepass.folder.file("logo.svg");
    fs::write(&logo, "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>").unwrap();
    let arguments = ["--brand-name", "Müller & <Söhne>", "--brand-color", "#FFEE00", "--brand-logo", &logo];
    let service =
        serve(&gatepass, &[&arguments[..], &["--help-url", "https://www.example.com/help?a=1&b=2"]].concat());
    let page = expect_page(
        &open(&service, "/login"),
        200,
        &[
            "alt=\"Müller &#38; &#60;Söhne&#62;\"",
            "href=\"https://www.example.com/help?a=1&#38;b=2\">Help</a>",
            "– Müller &#38; &#60;Söhne&#62;</title>",
        ],
    );
    let file = |name: &str| open(&service, &format!("/account/static/{}/{name}", files(&page)));
    let style = file("brand.css");
    assert!(style.text().contains("--button: #ffee00; --on-button: #000000"), "{style:?}");
    assert_eq!(style.header("cache-control").as_deref(), Some("public, max-age=31536000, immutable"));
    let image = file("logo.svg");
    assert_eq!(image.header("content-type").as_deref(), Some("image/svg+xml"));
    let policy = image.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    assert_eq!(image.header("x-content-type-options").as_deref(), Some("nosniff"));
    assert!(file("icon.svg").text().contains(">M</text>"));

    fs::write(gatepass.folder.file("logo.jpg"), b"\xff\xd8\xff").unwrap();
    fs::write(gatepass.folder.file("large.svg"), format!("<svg>{}</svg>", "x".repeat(256 * 1024))).unwrap();
    for (setting, value, reason) in [
        ("--brand-color", "green", "expected a color as #rrggbb, such as #0b5a44"),
        ("--brand-name", "a\u{202e}b", "expected a name of 1 to 80 characters"),
        ("--help-url", "javascript:alert(1)", "expected a URL such as https://www.example.com/help"),
        ("--help-url", "example.com/help", "expected a URL such as"),
        ("--language", "fr", "[possible values: auto, en, de]"),
        ("--brand-logo", "logo.jpg", "the file is neither SVG nor PNG; convert the image"),
        ("--brand-logo", "large.svg", "the file is larger than 256 KiB; use a smaller image"),
        ("--brand-logo", "missing.svg", "cannot read the file: No such file"),
    ] {
        let output = serve_command(&gatepass, &[setting, value]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{setting} {value}: {text}");
        assert!(text.contains(reason) && text.contains(setting), "{setting} {value}: {text}");
    }
}
