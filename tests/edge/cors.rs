//! Cross-origin requests (CORS).

use crate::support::{
    http::{Reply, Request, get, post_form, request},
    service::{Program, tutorial},
};

const APP: &str = "https://app.example.com";

fn program() -> Program {
    let origins = format!("{APP},http://localhost:5173");
    Program::start(
        &["--bind", "127.0.0.1:0", "--workers", "1", "--cors-origin", &origins],
        &[("GATEPASS_MAX_BODY_BYTES", "2000")],
    )
}

fn preflight(target: &str, method: &str) -> Request {
    request("OPTIONS", target)
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", "authorization,content-type,x-requested-with,traceparent")
}

#[track_caller]
fn assert_allowed(reply: &Reply, origin: &str) {
    assert_eq!(reply.header("access-control-allow-origin").as_deref(), Some(origin), "{reply:?}");
    assert!(reply.header("vary").unwrap().contains("Origin"), "{reply:?}");
    assert_eq!(reply.header("access-control-allow-credentials"), None);
}

#[test]
fn preflight_from_an_allowed_origin_succeeds_for_every_path() {
    let program = program();
    for (target, method) in
        [("/token", "POST"), ("/users/me", "GET"), ("/users/me/sessions/x", "DELETE"), ("/nothing", "PUT")]
    {
        for origin in [APP, "http://localhost:5173"] {
            let reply = preflight(target, method).header("Origin", origin).send(program.address());
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_allowed(&reply, origin);
            let allowed = |name| reply.header(name).unwrap().to_lowercase();
            assert!(allowed("access-control-allow-methods").contains(&method.to_lowercase()), "{reply:?}");
            let headers = allowed("access-control-allow-headers");
            assert!(
                ["authorization", "content-type", "x-requested-with", "traceparent"]
                    .iter()
                    .all(|name| headers.contains(name)),
                "{reply:?}"
            );
        }
    }
}

#[test]
fn responses_to_an_allowed_origin_have_cors_headers() {
    let program = program();
    let form = format!("username=johndoe&password={}", "x".repeat(3000));
    for (sent, status) in [
        (get("/users/me"), 401),
        (get("/users/me").bearer("johndoe"), 200),
        (get("/nothing"), 404),
        (get("/token"), 405),
        (get("/users/me/"), 307),
        (post_form("/token", "username=johndoe&password=wrong"), 400),
        (post_form("/token", form), 413),
        (post_form("/token", "username=johndoe"), 422),
    ] {
        let reply = sent.header("Origin", APP).send(program.address());
        assert_eq!(reply.status, status, "{reply:?}");
        assert_allowed(&reply, APP);
        let exposed = reply.header("access-control-expose-headers").unwrap().to_lowercase();
        assert!(exposed.contains("www-authenticate") && exposed.contains("retry-after"), "{reply:?}");
    }
}

#[test]
fn response_to_a_disallowed_origin_has_no_allow_origin_header() {
    let program = program();
    let similar =
        ["http://app.example.com", "https://app.example.com:8443", "https://xapp.example.com", "null"];
    for origin in similar.into_iter().chain(["https://app.example.com.evil.com", "HTTPS://APP.EXAMPLE.COM"]) {
        for sent in [get("/users/me"), preflight("/token", "POST"), preflight("/users/me", "GET")] {
            let reply = sent.header("Origin", origin).send(program.address());
            assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}: {reply:?}");
        }
    }
    // By default, no origin is allowed.
    let reply = get("/users/me").header("Origin", APP).send(tutorial());
    assert_eq!(reply.header("access-control-allow-origin"), None);
}
