//! Paths and methods.

use crate::{
    fastapi::servers::{Parser, compare, compare_with, servers},
    support::http::{Request, post_form, request},
};

/// Returns all combinations of targets and methods.
fn requests(targets: &[&str], methods: &[&str]) -> Vec<(String, Request)> {
    let pairs = targets.iter().flat_map(|target| methods.iter().map(move |method| (method, target)));
    pairs.map(|(method, target)| (format!("{method} {target}"), request(method, target))).collect()
}

/// Request targets, one per line.
const TARGETS: &str = include_str!("paths.txt");

#[test]
fn paths_with_every_method_match_fastapi() {
    let targets: Vec<_> = TARGETS.lines().collect();
    compare(requests(&targets, &["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]));
    compare_with(Parser::H11, requests(&targets, &["GET", "POST", "OPTIONS"]));
}

#[test]
fn unknown_methods_match_fastapi() {
    let targets = ["/token", "/token/", "/users/me", "/users/me/?a=b", "/nothing"];
    compare(requests(&targets, &["TRACE", "PROPFIND", "PURGE", "QUERY"]));
    // Only this parser accepts methods that are not registered.
    compare_with(Parser::H11, requests(&targets, &["FOO", "get", "Post", "X-Y"]));
}

#[test]
fn unsupported_methods_on_documentation_paths_match_fastapi() {
    compare(requests(&["/docs", "/redoc", "/openapi.json"], &["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]));
}

#[test]
fn redirect_of_any_request_matches_fastapi() {
    compare([
        ("form", post_form("/token/", "username=johndoe&password=secret")),
        ("invalid form", post_form("/token/", "username=")),
        ("token", request("GET", "/users/me/").bearer("johndoe")),
        ("no token", request("GET", "/users/me/")),
        ("preflight", request("OPTIONS", "/token/").header("Origin", "https://example.com")),
        ("X-Forwarded-Prefix", request("GET", "/users/me/").header("X-Forwarded-Prefix", "/api")),
    ]);
}

#[test]
fn host_of_the_redirect_matches_fastapi() {
    let Some(servers) = servers() else { return };
    for host in
        ["Host: example.com", "Host: example.com:8080", "Host: [::1]:80", "Host: EXAMPLE.com", "host: a_b"]
    {
        let bytes = format!("GET /users/me/?a=b HTTP/1.1\r\nConnection: close\r\n{host}\r\n\r\n");
        assert_eq!(servers.difference(bytes.as_bytes()), None, "{host}");
    }
}

#[test]
fn scheme_of_the_redirect_matches_fastapi() {
    compare(
        ["http", "https"]
            .map(|scheme| (scheme, request("GET", "/users/me/").header("X-Forwarded-Proto", scheme))),
    );
}

#[test]
fn absolute_and_asterisk_targets_match_fastapi() {
    compare([
        ("absolute URL", request("GET", "http://localhost/users/me").bearer("johndoe")),
        ("absolute URL of another host", request("GET", "http://example.com/users/me/?a=b")),
        ("asterisk", request("OPTIONS", "*")),
    ]);
}

#[test]
fn request_without_host_matches_fastapi() {
    let Some(servers) = servers() else { return };
    let (mut gatepass, mut fastapi) = servers.respond(b"GET /users/me/ HTTP/1.0\r\n\r\n");
    for (response, address) in [(&mut gatepass, servers.gatepass), (&mut fastapi, servers.fastapi)] {
        let location = response.headers.iter_mut().find(|(name, _)| *name == "location").expect("a redirect");
        location.1 = location.1.replace(&address.to_string(), "{address}");
    }
    assert_eq!(gatepass.to_string(), fastapi.to_string());
    assert_eq!(gatepass.to_string(), "307 location: http://{address}/users/me ");
}

#[test]
fn preflight_matches_fastapi() {
    let preflight = |target: &str| {
        request("OPTIONS", target)
            .header("Origin", "https://example.com")
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization")
    };
    compare([
        ("/token", preflight("/token")),
        ("/users/me", preflight("/users/me")),
        ("/nothing", preflight("/nothing")),
    ]);
}
