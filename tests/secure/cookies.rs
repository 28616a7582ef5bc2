//! Session cookies: `/login`, `/logout`, the origin check, and use of the library in another application.

use std::{net::SocketAddr, sync::mpsc, thread};

use actix_web::{App, HttpServer, Responder, web};
use gatepass::{
    ActiveUser, Auth, ErrorFormat, GrantedScopes, MaybeUser, RequiredScopes, Timestamp,
    auth::{AuthBuilder, LoginThrottle, LoginThrottleLimits},
    error::BuildError,
    sql::{Database, SqlSessions},
    tutorial::InsecureSubjectTokens,
    web::CookieTransport,
};
use serde_json::{Value, json};

use crate::{
    secure::{
        Gatepass, JOHNDOE, JOHNDOE_OFFLINE, Reply, Request, SECOND, Service, add_client_with, basic,
        change_password, cookie_named, end_all_sessions, expect_missing, expect_oauth2_error, get, on_both,
        on_sqlite, outcome, post_form, replicas, request, revoke, rows, serve, wait_until, with_service,
        within,
    },
    support::{
        doubles::{AgingHasher, Member, Members, OneClient},
        service::TIMEOUT,
    },
};

const FOREIGN: &str = "Requests from this origin are not allowed";
const NO_ORIGIN: &str =
    "The Origin header is missing: send it with the origin of this service, or use a token from /token";

/// Returns the request as a script from the same origin would send it.
fn from_own_page(request: Request) -> Request {
    request.header("Sec-Fetch-Site", "same-origin")
}

fn log_in(service: &Service, form: &str) -> Reply {
    from_own_page(post_form("/login", form)).send(service.address)
}

/// Returns the header that sets or deletes the session cookie.
#[track_caller]
fn set_cookie(reply: &Reply) -> String {
    let headers = reply
        .headers
        .iter()
        .filter(|(name, value)| name == "set-cookie" && !value.contains("gatepass_device="));
    let headers: Vec<_> = headers.collect();
    assert_eq!(headers.len(), 1, "{reply:?}");
    headers[0].1.clone()
}

/// Returns the session cookie that the response sets, as `NAME=VALUE`.
#[track_caller]
fn cookie_in(reply: &Reply) -> String {
    assert!([204, 303].contains(&reply.status), "{reply:?}");
    set_cookie(reply).split(';').next().unwrap().to_owned()
}

/// Signs johndoe in and returns the cookie.
#[track_caller]
fn cookie(service: &Service) -> String {
    cookie_in(&log_in(service, JOHNDOE))
}

fn value(cookie: &str) -> &str {
    cookie.split_once('=').unwrap().1
}

fn users_me(service: &Service, cookie: &str) -> Reply {
    get("/users/me").header("Cookie", cookie).send(service.address)
}

fn log_out(service: &Service, cookie: &str) -> Reply {
    from_own_page(request("POST", "/logout")).header("Cookie", cookie).send(service.address)
}

#[track_caller]
fn expect_anonymous(reply: &Reply) {
    let challenge = Some(r#"Bearer realm="api""#.to_owned());
    assert_eq!(outcome(reply), (401, "Not authenticated".into(), challenge));
}

#[test]
fn cookie_is_accepted_by_all_replicas_until_sign_out() {
    on_both(|gatepass| {
        let [first, second] = [(); 2].map(|()| serve(gatepass, &["--issuer", "http://auth.example.com"]));
        let signed_in = log_in(&first, JOHNDOE);
        assert_eq!((signed_in.status, signed_in.text()), (204, String::new()));
        assert_eq!(signed_in.header("cache-control").as_deref(), Some("no-store"));
        let cookie = cookie_in(&signed_in);
        let flags = "; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax";
        assert_eq!(set_cookie(&signed_in), format!("{cookie}{flags}"));
        assert!(cookie.starts_with("gatepass_session=") && value(&cookie).len() == 43, "{cookie}");

        for replica in [&first, &second] {
            assert_eq!(users_me(replica, &cookie).json()["username"], "johndoe");
        }
        let sessions = get("/users/me/sessions").header("Cookie", &cookie).send(first.address).json();
        assert_eq!((sessions.as_array().unwrap().len(), &sessions[0]["current"]), (1, &json!(true)));
        // The database does not contain the value of the cookie.
        let stored = rows(gatepass, "SELECT family || ' ' || newest FROM sessions");
        assert!(!stored[0].contains(value(&cookie)), "{stored:?}");

        let signed_out = log_out(&first, &cookie);
        assert_eq!(signed_out.status, 204);
        assert_eq!(set_cookie(&signed_out), "gatepass_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        expect_anonymous(&users_me(&first, &cookie));
        within(SECOND, "the other replica refuses the cookie", || {
            Some(users_me(&second, &cookie)).filter(|reply| reply.status == 401)
        });
        assert_eq!(rows(gatepass, "SELECT id FROM sessions"), [""; 0]);
        assert_eq!(log_out(&first, &cookie).status, 204);
        wait_until(SECOND, "the events are recorded", || {
            let entries = gatepass.json_lines(&["audit", "list", "--json"]);
            let names = entries.iter().map(|entry| entry["event"].as_str().unwrap());
            let of_cookie = names.filter(|name| ["sign_in", "session_ended"].contains(name));
            let text = Value::from(entries.clone()).to_string();
            assert!(!text.contains(value(&cookie)), "{text}");
            of_cookie.eq(["session_ended", "sign_in"])
                && entries
                    .iter()
                    .any(|entry| entry["username"] == "johndoe" && entry["session_id"] == sessions[0]["id"])
        });
    });
}

#[test]
fn cookie_for_an_https_issuer_has_the_host_prefix_and_is_secure() {
    let (gatepass, service) =
        on_sqlite(&["--issuer", "https://auth.example.com", "--session-cookie-ttl", "60"]);
    let signed_in = log_in(&service, JOHNDOE);
    let cookie = cookie_in(&signed_in);
    assert!(cookie.starts_with("__Host-gatepass_session="), "{cookie}");
    let flags = "; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure";
    assert_eq!(set_cookie(&signed_in), format!("{cookie}{flags}"));
    assert_eq!(users_me(&service, &cookie).status, 200);
    // Cookies without the prefix are refused: another host of the site could have set them.
    expect_anonymous(&users_me(&service, cookie.trim_start_matches("__Host-")));
    drop(service);
    // `--session-cookies off` and `--require-client` remove the endpoints.
    for arguments in [&["--session-cookies", "off"][..], &["--require-client"]] {
        let service = serve(&gatepass, &[&["--issuer", "https://auth.example.com"], arguments].concat());
        assert_eq!(log_in(&service, JOHNDOE).status, 404);
        expect_anonymous(&users_me(&service, &cookie));
    }
}

#[test]
fn refused_login_returns_the_same_errors_as_the_token_endpoint_and_sets_no_cookie() {
    let (gatepass, service) = on_sqlite(&[]);
    gatepass.add("alice", &["--disabled"]).done();
    for (form, detail) in [
        ("username=johndoe&password=wrong", "Incorrect username or password"),
        ("username=nobody&password=wrong", "Incorrect username or password"),
        ("username=alice&password=alice's+own+passphrase", "Inactive user"),
    ] {
        let reply = log_in(&service, form);
        expect_oauth2_error(&reply, 400, "invalid_grant", detail);
        assert_eq!(reply.header("set-cookie"), None);
    }
    expect_missing(&log_in(&service, "username=johndoe"), "password");
    let json = request("POST", "/login").header("Content-Type", "application/json").body("{}");
    assert_eq!(from_own_page(json).send(service.address).status, 400);
    assert_eq!(rows(&gatepass, "SELECT id FROM sessions"), [""; 0]);
    drop(service);
    let service = serve(&gatepass, &["--password-grant", "off"]);
    let reply = log_in(&service, JOHNDOE);
    expect_oauth2_error(&reply, 400, "unsupported_grant_type", "Signing in with a password is turned off");
}

#[test]
fn login_and_logout_redirect_only_to_paths_of_the_same_origin() {
    let (gatepass, service) = on_sqlite(&[]);
    let navigate = |path: &str, form: &str| {
        let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
        from_own_page(post_form(path, form)).header("Accept", accept).send(service.address)
    };
    for (next, location) in
        [("", ""), ("&next=", ""), ("&next=%2Fitems%3Fpage%3D2%26a%3D%2F%2Fb", "/items?page=2&a=//b")]
    {
        let or = |default| Some(if location.is_empty() { default } else { location });
        let reply = navigate("/login", &format!("{JOHNDOE}{next}"));
        assert_eq!((reply.status, reply.header("location").as_deref()), (303, or("account")));
        let signed_out = post_form("/logout", &next[next.len().min(1)..]).header("Cookie", cookie_in(&reply));
        let reply = from_own_page(signed_out).header("Accept", "text/html").send(service.address);
        assert_eq!((reply.status, reply.header("location").as_deref()), (303, or("login?done=signed-out")));
    }
    for next in [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/%5Cevil.example",
        "%5C%5Cevil.example",
        "/%09/evil.example",
        "%20//evil.example",
        "javascript:alert(1)",
        "evil",
        "/%0D%0ASet-Cookie:%20a=b",
        "/%C3%A9",
    ] {
        for reply in [
            navigate("/login", &format!("{JOHNDOE}&next={next}")),
            log_in(&service, &format!("{JOHNDOE}&next={next}")),
        ] {
            assert_eq!(
                (reply.status, reply.header("location"), reply.header("set-cookie")),
                (400, None, None),
                "{next}"
            );
        }
        let json = log_in(&service, &format!("{JOHNDOE}&next={next}")).json();
        assert_eq!(json["detail"][0]["loc"], json!(["body", "next"]), "{next}");
        assert_eq!(navigate("/logout", &format!("next={next}")).status, 400);
    }
    assert_eq!(rows(&gatepass, "SELECT id FROM sessions"), [""; 0]);
}

#[test]
fn only_pages_of_the_same_origin_may_change_state_with_the_cookie() {
    let (_gatepass, service) = on_sqlite(&["--cors-origin", "https://app.example.com"]);
    let cookie = cookie(&service);
    let host = service.address.to_string();
    let own_origin = format!("http://{host}");
    let (tls, other_port) = (format!("https://{host}"), "http://127.0.0.1:1".to_owned());
    for (headers, is_allowed) in [
        (vec![("Sec-Fetch-Site", "same-origin")], true),
        (vec![("Sec-Fetch-Site", "none")], true),
        (vec![("Origin", own_origin.as_str())], true),
        (vec![("Origin", own_origin.as_str()), ("Sec-Fetch-Site", "same-origin")], true),
        (vec![], false),
        (vec![("Referer", own_origin.as_str())], false),
        (vec![("Origin", tls.as_str())], false),
        (vec![("Origin", other_port.as_str())], false),
        // Pages of a `--cors-origin` may send tokens, but not use the cookie.
        (vec![("Origin", "https://app.example.com")], false),
        (vec![("Origin", "https://app.example.com"), ("Sec-Fetch-Site", "same-site")], false),
        (vec![("Origin", "https://evil.example")], false),
        (vec![("Origin", "null")], false),
        (vec![("Origin", "")], false),
        (vec![("Sec-Fetch-Site", "same-site")], false),
        (vec![("Sec-Fetch-Site", "cross-site")], false),
        (vec![("Sec-Fetch-Site", "cross-site"), ("Origin", own_origin.as_str())], false),
        (vec![("Sec-Fetch-Site", "Same-Origin")], false),
    ] {
        let send = |request: Request| {
            let request = headers
                .iter()
                .fold(request.header("Host", &host), |request, (name, value)| request.header(name, value));
            request.send(service.address)
        };
        let with_cookie = |request: Request| send(request.header("Cookie", &cookie));
        let delete = || request("DELETE", "/users/me/sessions/unknown");
        let password = post_form("/login", "username=johndoe&password=wrong");
        for (reply, allowed) in [
            (with_cookie(delete()), 404),
            (send(password), 400),
            (with_cookie(post_form("/logout", "next=x")), 400),
            (send(post_form("/logout", "next=x")), 400),
        ] {
            let expected = if is_allowed { allowed } else { 403 };
            assert_eq!(reply.status, expected, "{headers:?}: {reply:?}");
            if !is_allowed {
                let shows_origin =
                    headers.iter().any(|(name, _)| ["Origin", "Sec-Fetch-Site"].contains(name));
                let detail = if shows_origin { FOREIGN } else { NO_ORIGIN };
                assert_eq!(outcome(&reply), (403, detail.into(), None));
            }
        }
        // Read-only requests are accepted, because CORS decides whether pages may see the responses.
        assert_eq!(with_cookie(get("/users/me")).status, 200, "{headers:?}");
        assert_eq!(with_cookie(request("HEAD", "/users/me")).status, 200, "{headers:?}");
        // The handshake of a WebSocket is a GET request, but the WebSocket can do more than read.
        let handshake = get("/users/me").header("Sec-WebSocket-Version", "13").header("Upgrade", "websocket");
        assert_eq!(with_cookie(handshake).status, if is_allowed { 200 } else { 403 }, "{headers:?}");
        // Requests with a token need none of these headers.
        if headers.is_empty() {
            let token = service.token(JOHNDOE);
            assert_eq!(send(delete().bearer(&token)).status, 404);
            assert_eq!(with_cookie(delete().bearer(&token)).status, 404);
        }
    }
}

#[test]
fn session_cookies_and_tokens_are_not_interchangeable() {
    with_service(&[], |gatepass, service| {
        let cookie = cookie(&service);
        let secret = value(&cookie);
        service.expect_invalid(&[secret, &cookie]);
        for token in [secret.to_owned(), format!("{secret}{secret}")] {
            assert_eq!(service.refresh(&token, "").status, 400);
            assert_eq!(revoke(&service, &token, "").status, 200);
        }
        let api = add_client_with(gatepass, "api", &["--introspect-all"]);
        let introspected =
            post_form("/introspect", format!("token={secret}")).header("Authorization", basic("api", &api));
        assert_eq!(introspected.send(service.address).json(), json!({ "active": false }));
        // Introspection requires client credentials or a token.
        let by_cookie = from_own_page(post_form("/introspect", "token=x")).header("Cookie", &cookie);
        assert_eq!(by_cookie.send(service.address).status, 401);
        assert_eq!(users_me(&service, &cookie).status, 200, "the session should still be active");
        // The cookie is refused as a token even while its session is cached.
        service.expect_invalid(&[secret, &cookie, &format!("cookie {secret}"), &format!("Cookie {secret}")]);

        let tokens = service.sign_in_offline();
        let name = cookie.split('=').next().unwrap();
        for token in [
            tokens.access.as_str(),
            tokens.refresh.as_str(),
            &tokens.refresh[..43],
            &tokens.refresh[43..],
            "",
            &"x".repeat(43),
        ] {
            expect_anonymous(&users_me(&service, &format!("{name}={token}")));
        }
        // An Authorization header takes precedence, even if it is invalid or uses another scheme.
        for header in ["Bearer x", "Bearer", "Basic am9obmRvZTpzZWNyZXQ="] {
            let both = get("/users/me").header("Cookie", &cookie).header("Authorization", header);
            assert_eq!(both.send(service.address).status, 401, "{header}");
        }
        gatepass.add("alice", &["--scopes", "me"]).done();
        let alice = service.token("username=alice&password=alice's+own+passphrase");
        let both = get("/users/me").header("Cookie", &cookie).bearer(&alice).send(service.address);
        assert_eq!(both.json()["username"], "alice");
    });
}

#[test]
fn cookie_is_refused_within_a_second_after_its_session_ended() {
    on_both(|gatepass| {
        let services = replicas(gatepass, &[]);
        type End = fn(&Gatepass, &Service, &str);
        let ways: [(&str, End); 5] = [
            ("refused after `sessions end`", |gatepass, _, _| {
                gatepass.done(&["sessions", "end", "johndoe"]);
            }),
            ("refused after `users disable`", |gatepass, _, _| {
                gatepass.done(&["users", "disable", "johndoe"]);
                gatepass.done(&["users", "enable", "johndoe"]);
            }),
            ("refused after a request with this cookie ended all sessions", |_, service, cookie| {
                let end = from_own_page(request("DELETE", "/users/me/sessions")).header("Cookie", cookie);
                assert_eq!(end.send(service.address).status, 204);
            }),
            ("refused after a request with a token ended all sessions", |_, service, _| {
                assert_eq!(end_all_sessions(service, &service.token(JOHNDOE)).status, 204);
            }),
            ("refused after a password change", |_, service, _| {
                let (current, new) = ("johndoe's+own+passphrase", "purple-otters-juggle-lanterns");
                let reply = change_password(service, &service.token(JOHNDOE), current, new);
                assert_eq!(reply.status, 204, "{reply:?}");
            }),
        ];
        for (what, end) in ways {
            let cookie = cookie(&services[0]);
            for service in &services {
                assert_eq!(users_me(service, &cookie).status, 200, "{what}");
            }
            end(gatepass, &services[0], &cookie);
            for service in &services {
                within(SECOND, what, || Some(users_me(service, &cookie)).filter(|reply| reply.status == 401));
            }
        }
    });
}

#[test]
fn cookie_expires_after_its_lifetime_whether_cached_or_not() {
    let (gatepass, service) = on_sqlite(&["--session-cookie-ttl", "2"]);
    let cached = cookie(&service);
    let is_valid = |cookie: &str| users_me(&service, cookie).status == 200;
    assert!(is_valid(&cached));
    wait_until(4 * SECOND, "the cookie expires", || !is_valid(&cached));
    let fresh = cookie(&service);
    rows(&gatepass, "UPDATE sessions SET created = created - 2 RETURNING id");
    expect_anonymous(&users_me(&service, &fresh));
    assert_eq!(log_out(&service, &fresh).status, 204);
}

#[test]
fn cookie_expires_if_unused_and_its_uses_are_recorded_only_at_intervals() {
    on_both(|gatepass| {
        let start =
            || serve(gatepass, &["--session-cookie-idle-ttl", "1000", "--issuer", "http://auth.example.com"]);
        let services = [start(), start()];
        let cookie = cookie(&services[0]);
        let last_use = || {
            let query = "SELECT CAST(rotated - created AS TEXT) || ' ' || CAST(last_used - created AS TEXT) FROM sessions";
            rows(gatepass, query)
        };
        let is_valid = |service: &Service| users_me(service, &cookie).status == 200;
        assert!(is_valid(&services[0]));
        assert_eq!(last_use(), ["0 0"], "a use within 100 seconds should not be recorded");
        let update = "UPDATE sessions SET created = created - 900, rotated = rotated - 900, last_used = last_used - 900, \
                      expires = expires - 900 RETURNING id";
        rows(gatepass, update);
        assert!(is_valid(&services[1]));
        let recorded = last_use();
        let is_now = |seconds: &str| (900..960).contains(&seconds.parse::<u32>().unwrap());
        assert!(recorded[0].split(' ').all(is_now), "{recorded:?}");
        assert_eq!(rows(gatepass, "SELECT CAST(expires - rotated AS TEXT) FROM sessions"), ["1000"]);
        assert!((0..3).all(|_| is_valid(&services[1])));
        assert_eq!(last_use(), recorded);
        rows(gatepass, "UPDATE sessions SET rotated = rotated - 1000 RETURNING id");
        expect_anonymous(&users_me(&start(), &cookie));
    });
}

#[test]
fn browser_tabs_share_a_session_that_a_new_sign_in_replaces() {
    with_service(&["--max-sessions", "2"], |gatepass, service| {
        let (other_browser, first) = (cookie(&service), cookie(&service));
        let again = from_own_page(post_form("/login", JOHNDOE)).header("Cookie", &first);
        let second = cookie_in(&again.send(service.address));
        // Both tabs now send the second cookie. The second session replaced the first, so the other browser's session
        // is kept.
        expect_anonymous(&users_me(&service, &first));
        for cookie in [&other_browser, &second] {
            assert_eq!(users_me(&service, cookie).status, 200);
        }
        // A failed sign-in changes nothing.
        let failed =
            from_own_page(post_form("/login", "username=johndoe&password=wrong")).header("Cookie", &second);
        assert_eq!(failed.send(service.address).status, 400);
        assert_eq!(users_me(&service, &second).status, 200);
        rows(gatepass, "UPDATE sessions SET last_used = last_used - 10 RETURNING id");
        let third = cookie(&service);
        assert_eq!(users_me(&service, &third).status, 200);
        let left = [&other_browser, &second].map(|cookie| users_me(&service, cookie).status);
        assert!(left.contains(&401), "a third session should end the least recently used one: {left:?}");
    });
}

#[test]
fn failed_attempts_at_the_login_and_token_endpoints_are_counted_together() {
    let arguments = ["--login-throttle=on", "--login-throttle-account-failures=2"];
    with_service(&arguments, |gatepass, service| {
        let signed_in = log_in(&service, JOHNDOE);
        let device = cookie_named("gatepass_device", &signed_in);
        for reply in [
            log_in(&service, "username=johndoe&password=wrong"),
            service.sign_in("username=johndoe&password=wrong"),
        ] {
            assert_eq!(reply.status, 400);
        }
        // Makes the waits outlast the test.
        rows(gatepass, "UPDATE failures SET count = count + 10 WHERE name LIKE '% %' RETURNING name");
        for reply in [service.sign_in(JOHNDOE), log_in(&service, JOHNDOE)] {
            expect_oauth2_error(&reply, 429, "temporarily_unavailable", "Too many attempts, try again later");
        }
        // The device that signed in before does not have to wait, and its session stays active.
        let known = from_own_page(post_form("/login", JOHNDOE)).header("Cookie", device);
        assert_eq!(known.send(service.address).status, 204);
        assert_eq!(users_me(&service, &cookie_in(&signed_in)).status, 200);
    });
}

#[test]
fn forged_cookies_are_rate_limited_by_address_but_cached_cookies_and_known_devices_are_not() {
    let (_gatepass, service) = on_sqlite(&["--login-throttle=on", "--login-throttle-rate=1"]);
    let (cookie, signed_in) = (cookie(&service), log_in(&service, JOHNDOE));
    assert_eq!(users_me(&service, &cookie).status, 200);
    let invented = |number: u32| users_me(&service, &format!("gatepass_session={number:043}")).status;
    let statuses: Vec<_> = (0..40_u32).map(invented).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 401).count() >= 8, "{statuses:?}");
    assert_eq!(
        users_me(&service, &cookie).status,
        200,
        "a cached cookie should be accepted, because it needs no query"
    );
    let device = cookie_named("gatepass_device", &signed_in);
    assert!((40..400).any(|number| invented(number) == 429));
    let known = users_me(&service, &format!("{}; {device}", cookie_in(&signed_in)));
    assert_eq!(known.status, 200, "a known device whose session is not cached was refused: {known:?}");
    // nginx turns errors other than 401 and 403 into 500, so `/forward-auth` returns 401 instead of 429.
    assert!((400..800).any(|number| invented(number) == 429));
    let refused = get("/forward-auth").header("Cookie", format!("gatepass_session={:043}", 800));
    assert_eq!(refused.send(service.address).status, 401);
    // Cookies with a wrong length need no query, so they are not rate-limited.
    assert!(
        (0..40).all(|number: u32| users_me(&service, &format!("gatepass_session={number}")).status == 401)
    );
}

#[test]
fn session_cookie_is_found_among_arbitrary_cookies_up_to_the_request_head_size_limit() {
    let (_gatepass, service) = on_sqlite(&[]);
    let cookie = cookie(&service);
    let found = |header: &str| users_me(&service, header).status;
    let others =
        format!("a=b; session={}; __Host-gatepass_session=x; c=\"gatepass_session\"", "x".repeat(9000));
    for header in [
        format!("{others}; {cookie}"),
        format!("{cookie}; {others}"),
        format!("a=b;{cookie} ;c=d"),
        format!("theme=é; {cookie}"),
        format!("{cookie};\tx=\u{e9}"),
        format!("=;;é;{cookie};"),
    ] {
        assert_eq!(found(&header), 200, "{}", &header[..header.len().min(80)]);
    }
    let several = get("/users/me").header("Cookie", "a=b").header("Cookie", &cookie);
    assert_eq!(several.send(service.address).status, 200);
    for header in [
        format!("x{cookie}"),
        cookie.to_uppercase(),
        format!("{cookie}x"),
        format!("{cookie}{}", "x".repeat(10_000)),
        format!("gatepass_session=\"{}\"", value(&cookie)),
        "gatepass_session".to_owned(),
    ] {
        assert_eq!(found(&header), 401, "{}", &header[..header.len().min(80)]);
    }
    assert_eq!(found(&format!("{cookie}; a={}", "x".repeat(17_000))), 431);
    // If non-ASCII white space were trimmed, other hosts of the site could set a cookie that is accepted in spite of
    // `__Host-`. To browsers, the name of such a cookie does not begin with this prefix.
    expect_anonymous(&users_me(&service, &format!("\u{2000}{cookie}")));
    assert_eq!(log_out(&service, &format!("theme=é; {cookie}")).status, 204);
    expect_anonymous(&users_me(&service, &cookie));
}

struct Admin;

impl RequiredScopes for Admin {
    const SCOPES: &'static [&'static str] = &["admin"];
}

async fn maybe(user: MaybeUser<Member>) -> impl Responder {
    user.active().map_or("anonymous".to_owned(), |user| user.email.clone())
}

async fn change(me: ActiveUser<Member>) -> impl Responder {
    format!("changed by {}", me.email)
}

fn builder(database: &Database) -> AuthBuilder<Members> {
    Auth::builder(Members::with(GrantedScopes::Only("me".parse().unwrap())))
        .passwords(AgingHasher::default())
        .tokens(InsecureSubjectTokens)
        .error_format(ErrorFormat::OAuth2)
        .sessions(SqlSessions::new(database.clone()))
}

/// Starts an application that uses the library with its own users and handlers. Returns its address.
fn application() -> SocketAddr {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let database = Database::open("sqlite::memory:").await.unwrap();
            let limits = LoginThrottleLimits { account_failures: 1, ..LoginThrottleLimits::default() };
            let auth = builder(&database)
                // The clock stands still, so that the wait after a failed attempt does not end during the test.
                .clock(|| Timestamp::from_unix(1_900_000_000))
                .login_throttle(LoginThrottle::in_memory().limits(limits))
                .cookies(
                    CookieTransport::default().name("members").allow_origins(["https://app.example.com"]),
                )
                .build()
                .unwrap();
            let server = HttpServer::new(move || {
                App::new()
                    .configure(auth.routes())
                    .service(auth.login_endpoint("/api/sign-in"))
                    .route("/maybe", web::get().to(maybe))
                    .route("/maybe", web::post().to(maybe))
                    .route("/change", web::post().to(change))
                    .service(
                        web::scope("/bearer")
                            .wrap(auth.bearer())
                            .route("", web::post().to(maybe))
                            .route("/public", web::post().to(async || "public")),
                    )
                    .service(
                        web::scope("/admin")
                            .wrap(auth.require::<Admin>())
                            .route("", web::get().to(async || "admin")),
                    )
                    .service(
                        web::scope("/me").wrap(auth.require::<MeScope>()).route("", web::to(async || "me")),
                    )
            });
            let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
            send.send(server.addrs()[0]).unwrap();
            server.run().await
        })
    });
    receive.recv_timeout(TIMEOUT).unwrap()
}

struct MeScope;

impl RequiredScopes for MeScope {
    const SCOPES: &'static [&'static str] = &["me"];
}

#[test]
fn application_using_the_library_can_sign_users_in_with_cookies() {
    let address = application();
    let form = "username=johndoe@example.com&password=secret";
    let cookie = cookie_in(&from_own_page(post_form("/login", form)).send(address));
    assert!(cookie.starts_with("__Host-members="), "{cookie}");
    let with = |request: Request, cookie: &str| request.header("Cookie", cookie).send(address);
    assert_eq!(with(get("/maybe"), &cookie).text(), "johndoe@example.com");
    assert_eq!(with(get("/me"), &cookie).text(), "me");
    assert_eq!(with(get("/admin"), &cookie).status, 403);
    // An invalid cookie does not make public pages fail.
    for old in ["__Host-members=x", &format!("__Host-members={}", "x".repeat(43))] {
        assert_eq!(with(get("/maybe"), old).text(), "anonymous");
        assert_eq!(with(get("/me"), old).status, 401);
    }
    assert_eq!(get("/maybe").send(address).text(), "anonymous");
    assert_eq!(get("/maybe").bearer("99").send(address).status, 401, "an invalid token should be an error");

    // The application need not know that a proxy terminates TLS.
    let same_origin = post_form("/change", "")
        .header("Host", "www.example.com")
        .header("Origin", "https://www.example.com");
    assert_eq!(with(same_origin, &cookie).text(), "changed by johndoe@example.com");
    let allowed = post_form("/change", "").header("Origin", "https://app.example.com");
    assert_eq!(with(allowed, &cookie).status, 200);
    for path in ["/change", "/me", "/maybe", "/bearer"] {
        let foreign = post_form(path, "").header("Sec-Fetch-Site", "same-site");
        assert_eq!(outcome(&with(foreign, &cookie)), (403, FOREIGN.into(), None), "{path}");
    }
    assert_eq!(with(post_form("/bearer/public", ""), &cookie).text(), "public");
    let bearer = post_form("/change", "").header("Sec-Fetch-Site", "cross-site").bearer("1");
    // Browsers do not send tokens on their own, so the origin of the request does not matter.
    assert_eq!(bearer.send(address).status, 401, "a token without a session should be refused");

    let elsewhere = from_own_page(post_form("/api/sign-in", form)).send(address);
    let second = cookie_in(&elsewhere);
    assert_eq!(with(from_own_page(post_form("/logout", "")), &second).status, 204);
    assert_eq!(with(get("/maybe"), &second).text(), "anonymous");
    assert_eq!(with(get("/maybe"), &cookie).text(), "johndoe@example.com");
    let wrong =
        || from_own_page(post_form("/login", "username=johndoe@example.com&password=wrong")).send(address);
    assert_eq!([wrong().status, wrong().status], [400, 429]);
}

#[test]
fn build_with_incompatible_cookie_settings_fails() {
    let cookies = CookieTransport::default;
    actix_web::rt::System::new().block_on(async {
        let database = Database::open("sqlite::memory:").await.unwrap();
        let base = || Auth::builder(Members::default()).tokens(InsecureSubjectTokens).cookies(cookies());
        let error = base().passwords(AgingHasher::default()).build().err();
        assert_eq!(error, Some(BuildError::CookiesWithoutSessions));
        assert_eq!(error.unwrap().to_string(), "session cookies need sessions: call .sessions(…)");
        let error = base().sessions(SqlSessions::new(database.clone())).build().err();
        assert_eq!(error, Some(BuildError::CookiesWithoutHasher));
        let error =
            builder(&database).clients(OneClient).require_client(true).cookies(cookies()).build().err();
        assert_eq!(error, Some(BuildError::CookiesWithoutDefaultClient));
        for name in ["", "a b", "a=b", "a;b", "é", &"x".repeat(65)] {
            let error = builder(&database).cookies(cookies().name(name)).build().err();
            assert_eq!(error, Some(BuildError::InvalidCookieName), "{name:?}");
        }
        // The document describes session cookies only if they are enabled.
        let (without, with) =
            (builder(&database).build().unwrap(), builder(&database).cookies(cookies()).build().unwrap());
        let document = |auth: &Auth<Member>| serde_json::to_value(auth.openapi()).unwrap();
        assert!(document(&without)["paths"].get("/login").is_none());
        let document = document(&with);
        assert!(document["paths"]["/login"].get("post").is_some());
        let scheme = &document["components"]["securitySchemes"]["SessionCookie"];
        assert_eq!(
            [&scheme["type"], &scheme["in"], &scheme["name"]],
            ["apiKey", "cookie", "__Host-gatepass_session"]
        );
    });
}

#[test]
fn login_endpoint_issues_no_refresh_token() {
    let (gatepass, service) = on_sqlite(&["--refresh-tokens", "always"]);
    let reply = log_in(&service, JOHNDOE_OFFLINE);
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_eq!(rows(&gatepass, "SELECT family FROM sessions WHERE family <> newest"), [""; 0]);
}
