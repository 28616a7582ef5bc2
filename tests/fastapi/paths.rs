//! Everything else: paths and methods.

use crate::{
    fastapi::servers::{Parser, compare, compare_on, peers_with},
    support::http::{Request, post_form, request},
};

fn on_every_method(targets: &[&str], methods: &[&str]) -> Vec<(String, Request)> {
    let of = |target: &&str| {
        let target = target.to_string();
        methods
            .iter()
            .map(move |method| (format!("{method} {target}"), request(method, &target)))
            .collect::<Vec<_>>()
    };
    targets.iter().flat_map(of).collect()
}

const TARGETS: &[&str] = &[
    "/token",
    "/token?a=b",
    "/token/",
    "/token//",
    "/token///?a=b",
    "/token/?",
    "/token/?a=b&c=d",
    "/token/?a=%2F%C3%A9+%20&a=/",
    "/token/?redirect=https://example.com/",
    "/token/?a={b}|\\^`",
    "/token/?a[b]=c&d='e'",
    "/token/?a?b??",
    "/token?/",
    "/token/x",
    "/token/./",
    "/token/../users/me",
    "/./token",
    "/Token",
    "/TOKEN/",
    "/toke",
    "/tokens",
    "/token.json",
    "/token;a=b",
    "/token/;a=b",
    "/token%20",
    "/token%00",
    "/token%0Ax",
    "/token%3F",
    "/token%23",
    "/%74oken",
    "/%74%6F%6b%65n/",
    "/%74oken/?q=%74",
    "/t%6f%ken",
    "/token%C3%A9",
    "/token%ff/",
    "//token",
    "//token/",
    "///",
    "//",
    "//example.com/",
    "//example.com/token/",
    "/users/me",
    "/users/me/",
    "/users/me//?x",
    "/users//me",
    "/users/me/me",
    "/users",
    "/users/",
    "/users/ME",
    "/users/johndoe",
    "/users\\me",
    "/user%73/me/",
    "/users/me/%20",
    "/users/me?",
    "/users/me/?token=johndoe",
    "/nothing",
    "/nothing/",
    "/nothing/here?a=b",
    "/static",
    "/static/",
    "/favicon.ico",
    "/docs/",
    "/docs//?a=b",
    "/docs/x",
    "/openapi.json/",
    "/openapi.json/x",
    "/openapi",
    "/.",
    "/..",
    "/*",
    "/%",
    "/%2",
    "/%zz",
    "/%C3%A9/",
];

#[test]
fn paths_are_found_alike_by_every_method() {
    let cases = on_every_method(TARGETS, &["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
    compare(
        "paths_are_found_alike_by_every_method",
        cases.iter().map(|(name, request)| (&**name, request.clone())),
    );
}

#[test]
fn unknown_methods_are_refused_alike() {
    let cases = on_every_method(
        &["/token", "/token/", "/users/me", "/users/me/?a=b", "/nothing"],
        &["TRACE", "PROPFIND", "PURGE", "QUERY"],
    );
    compare(
        "unknown_methods_are_refused_alike",
        cases.iter().map(|(name, request)| (&**name, request.clone())),
    );

    // Only this server knows methods that are not registered.
    let cases =
        on_every_method(&["/token", "/token/", "/users/me", "/nothing"], &["FOO", "get", "Post", "X-Y"]);
    if let Some(peers) = peers_with("unknown_methods_are_refused_alike", Parser::H11) {
        compare_on(&peers, cases.iter().map(|(name, request)| (&**name, request.clone())));
    }
}

#[test]
fn paths_are_found_alike_on_the_other_server() {
    let cases = on_every_method(TARGETS, &["GET", "POST", "OPTIONS"]);
    if let Some(peers) = peers_with("paths_are_found_alike_on_the_other_server", Parser::H11) {
        compare_on(&peers, cases.iter().map(|(name, request)| (&**name, request.clone())));
    }
}

#[test]
fn the_documents_refuse_other_methods_alike() {
    let cases = on_every_method(&["/docs", "/openapi.json"], &["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]);
    compare(
        "the_documents_refuse_other_methods_alike",
        cases.iter().map(|(name, request)| (&**name, request.clone())),
    );
}

#[test]
fn the_redirect_comes_before_everything_else() {
    compare(
        "the_redirect_comes_before_everything_else",
        [
            ("a form", post_form("/token/", "username=johndoe&password=secret")),
            ("a broken form", post_form("/token/", "username=")),
            ("a token", request("GET", "/users/me/").bearer("johndoe")),
            ("no token", request("GET", "/users/me/")),
            ("a preflight", request("OPTIONS", "/token/").header("Origin", "https://example.com")),
            ("behind a proxy", request("GET", "/users/me/").header("X-Forwarded-Prefix", "/api")),
        ],
    );
}

#[test]
fn the_redirect_names_the_host_alike() {
    let Some(peers) = crate::fastapi::servers::peers("the_redirect_names_the_host_alike") else {
        return;
    };
    for host in
        ["Host: example.com", "Host: example.com:8080", "Host: [::1]:80", "Host: EXAMPLE.com", "host: a_b"]
    {
        let bytes = format!("GET /users/me/?a=b HTTP/1.1\r\nConnection: close\r\n{host}\r\n\r\n");
        assert_eq!(peers.difference(bytes.as_bytes()), None, "{host}");
    }
}

#[test]
fn the_redirect_keeps_the_scheme_of_the_proxy_alike() {
    compare(
        "the_redirect_keeps_the_scheme_of_the_proxy_alike",
        ["http", "https"]
            .map(|scheme| (scheme, request("GET", "/users/me/").header("X-Forwarded-Proto", scheme))),
    );
}

#[test]
fn other_forms_of_a_target_are_answered_alike() {
    compare(
        "other_forms_of_a_target_are_answered_alike",
        [
            ("a whole URL", request("GET", "http://gatepass.test/users/me").bearer("johndoe")),
            ("a whole URL of another host", request("GET", "http://example.com/users/me/?a=b")),
            ("a star", request("OPTIONS", "*")),
        ],
    );
}

#[test]
fn a_request_without_a_host_is_answered_alike() {
    let Some(peers) = crate::fastapi::servers::peers("a_request_without_a_host_is_answered_alike") else {
        return;
    };
    let (mut gatepass, mut fastapi) = peers.answers(b"GET /users/me/ HTTP/1.0\r\n\r\n");
    for (answer, address) in [(&mut gatepass, peers.gatepass), (&mut fastapi, peers.fastapi)] {
        let location = answer.headers.iter_mut().find(|(name, _)| *name == "location").expect("a redirect");
        location.1 = location.1.replace(&address.to_string(), "{address}");
    }
    assert_eq!(gatepass.to_string(), fastapi.to_string());
    assert_eq!(gatepass.to_string(), "307 location: http://{address}/users/me ");
}

#[test]
fn preflights_are_answered_alike() {
    let preflight = |target: &str| {
        request("OPTIONS", target)
            .header("Origin", "https://example.com")
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization")
    };
    compare(
        "preflights_are_answered_alike",
        [
            ("/token", preflight("/token")),
            ("/users/me", preflight("/users/me")),
            ("/nothing", preflight("/nothing")),
        ],
    );
}
