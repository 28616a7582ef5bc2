//! What is answered where there is nothing, or something for other methods.

use crate::support::{
    http::{Reply, request},
    service::tutorial,
};

/// The answer is the same with a token, without one and with a bad one.
fn whoever_asks(method: &str, target: &str) -> Reply {
    let ask = || request(method, target);
    let replies =
        [ask(), ask().bearer("johndoe"), ask().bearer("nobody"), ask().header("Authorization", "x")]
            .map(|request| request.send(tutorial()));
    for reply in &replies {
        assert_eq!((reply.status, &reply.body), (replies[0].status, &replies[0].body), "{method} {target}");
    }
    replies[0].clone()
}

#[test]
fn an_unknown_path_is_404() {
    for (method, target) in [
        ("GET", "/nope"),
        ("POST", "/users/you"),
        ("DELETE", "/nope/"),
        ("GET", "//token"),
        ("GET", "/docs/nope"),
    ] {
        let reply = whoever_asks(method, target);
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (404, r#"{"detail":"Not Found"}"#),
            "{method} {target}"
        );
    }
}

#[test]
fn a_wrong_method_is_405_and_says_which_are_right() {
    for (method, target, allow) in [
        ("GET", "/token", "POST"),
        ("OPTIONS", "/token", "POST"),
        ("PUT", "/token", "POST"),
        ("POST", "/users/me", "GET, HEAD"),
        ("DELETE", "/users/me", "GET, HEAD"),
        ("OPTIONS", "/users/me", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("BREW", "/token", "POST"),
    ] {
        let reply = whoever_asks(method, target);
        assert_eq!(reply.status, 405, "{method} {target}");
        assert_eq!(reply.text(), r#"{"detail":"Method Not Allowed"}"#);
        assert_eq!(reply.header("allow").as_deref(), Some(allow), "{method} {target}");
    }
    let head = request("HEAD", "/token").send(tutorial());
    assert_eq!((head.status, head.header("allow").as_deref()), (405, Some("POST")));
}

#[test]
fn a_trailing_slash_leads_to_the_path_without_it_before_anything_else() {
    for (method, target, location) in [
        ("GET", "/users/me/", "/users/me"),
        ("POST", "/token/", "/token"),
        ("GET", "/token/?a=b&c=%2F", "/token?a=b&c=%2F"),
        ("DELETE", "/users/me/", "/users/me"),
        ("GET", "/users/me//", "/users/me"),
        ("GET", "/docs/", "/docs"),
        ("OPTIONS", "/openapi.json/", "/openapi.json"),
    ] {
        let reply = whoever_asks(method, target);
        assert_eq!(reply.status, 307, "{method} {target}");
        assert_eq!(
            reply.header("location"),
            Some(format!("http://gatepass.test{location}")),
            "{method} {target}"
        );
        assert!(reply.body.is_empty());
    }
}

#[test]
fn a_trailing_slash_redirect_keeps_the_scheme_that_the_proxy_speaks() {
    let reply = request("GET", "/docs/").header("X-Forwarded-Proto", "https").send(tutorial());
    assert_eq!(reply.header("location").as_deref(), Some("https://gatepass.test/docs"));
}
