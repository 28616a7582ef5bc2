//! Security headers.

use crate::support::{
    http::{get, post_form, request},
    service::tutorial,
};

#[test]
fn responses_have_security_headers() {
    let page = get("/").send(tutorial());
    let etag = page.header("etag").unwrap();
    assert!(page.header("content-security-policy").unwrap().contains("style-src 'self';"), "{page:?}");
    for (reply, is_page) in [
        (page, true),
        (get("/").header("If-None-Match", etag).send(tutorial()), true),
        (get("/docs").send(tutorial()), true),
        (get("/redoc").send(tutorial()), true),
        (get("/static/any-version/start.js").send(tutorial()), false),
        (get("/users/me").send(tutorial()), false),
        (get("/nothing").send(tutorial()), false),
        (request("PUT", "/token").send(tutorial()), false),
        (post_form("/token", "username=johndoe&password=secret").send(tutorial()), false),
        (get("/").header("X", "x".repeat(17_000)).send(tutorial()), false),
    ] {
        let header = |name| reply.header(name).unwrap_or_default();
        assert_eq!(header("x-content-type-options"), "nosniff", "{reply:?}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{reply:?}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{reply:?}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{reply:?}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{reply:?}");
        assert!(policy.contains("frame-ancestors 'none'"), "{reply:?}");
        let scripts = policy.split("; ").find(|part| part.starts_with("script-src"));
        assert_eq!(scripts, is_page.then_some("script-src 'self'"), "{reply:?}");
        // This header is sent only with TLS.
        assert_eq!(reply.header("strict-transport-security"), None);
    }
}
