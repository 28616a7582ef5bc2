//! Requests from pages on other origins, and requests to host names that are not allowed.

use crate::secure::{
    JOHNDOE, Service, concurrently, get, on_sqlite, outcome, post_form, request, serve_command,
};

const APP: &str = "https://app.example.com";
const FOREIGN: &str = "Requests from this origin are not allowed";
const UNKNOWN_HOST: &str = "This host name is not allowed";

fn own_origin(service: &Service) -> String {
    format!("http://{}", service.address)
}

#[test]
fn page_from_another_origin_cannot_use_up_its_visitors_sign_in_attempts() {
    let arguments =
        ["--cors-origin", APP, "--login-throttle", "on", "--login-throttle-account-failures", "3"];
    let (_gatepass, service) = on_sqlite(&arguments);
    let wrong = "username=johndoe&password=wrong";
    concurrently(20, |_| {
        for (name, value) in
            [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"), ("Origin", "null")]
        {
            let reply = post_form("/token", wrong).header(name, value).send(service.address);
            assert_eq!(outcome(&reply), (403, FOREIGN.into(), None), "{name}: {value}");
        }
    });
    // No attempt was counted.
    for (name, value) in [("Origin", own_origin(&service)), ("Origin", APP.into()), ("Accept", "*/*".into())]
    {
        let host = service.address.to_string();
        let reply =
            post_form("/token", JOHNDOE).header("Host", host).header(name, value).send(service.address);
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    for (method, path) in [
        ("DELETE", "/users/me/sessions"),
        ("PUT", "/users/me/password"),
        ("POST", "/revoke"),
        ("POST", "/introspect"),
    ] {
        let reply = request(method, path).header("Origin", "https://evil.example").send(service.address);
        assert_eq!(outcome(&reply), (403, FOREIGN.into(), None), "{path}");
    }
    // Read-only requests are accepted, because CORS decides whether pages may see the responses.
    let reply = get("/users/me").header("Origin", "https://evil.example").send(service.address);
    assert_eq!(reply.status, 401);
    assert!(service.program.log().contains("refused a request from a page of another origin"));
}

#[test]
fn service_on_loopback_refuses_host_names_that_are_not_allowed() {
    let (gatepass, service) = on_sqlite(&["--issuer", "https://auth.example.com"]);
    let refused = |service: &Service, host: &str| {
        let reply = get("/users/me").header("Host", host).send(service.address);
        let is_refused = reply.status == 421;
        assert_eq!(outcome(&reply).1, if is_refused { UNKNOWN_HOST } else { "Not authenticated" });
        is_refused
    };
    assert!(refused(&service, "evil.example:8000"));
    service.program.wait_for("add it to the allowed hosts");
    for host in ["localhost:1", "127.0.0.1", "[::1]", "10.0.0.7:8000", "auth.example.com"] {
        assert!(!refused(&service, host), "{host}");
    }
    drop(service);
    let service = Service::run(
        serve_command(&gatepass, &["--allowed-hosts", "auth.internal,Auth.example.org"])
            .env("GATEPASS_ISSUER", ""),
    );
    assert!(refused(&service, "auth.example.com"));
    for host in ["auth.internal:8000", "auth.example.org"] {
        assert!(!refused(&service, host), "{host}");
    }
    gatepass
        .run(&["check", "--profile", "secure", "--allowed-hosts", "auth:80"])
        .fails(2, &["--allowed-hosts", "host name"]);
}

#[test]
fn keys_and_metadata_are_readable_from_every_origin() {
    let (_gatepass, service) = on_sqlite(&["--cors-origin", APP]);
    for path in ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"] {
        for (origin, allowed) in [("https://spa.example.net", "*"), (APP, APP)] {
            let reply = get(path).header("Origin", origin).send(service.address);
            let found = reply.header("access-control-allow-origin");
            assert!([Some("*"), Some(allowed)].contains(&found.as_deref()), "{path}: {reply:?}");
        }
    }
}
