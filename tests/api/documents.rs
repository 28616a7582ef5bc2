//! The OpenAPI document, `/docs` and the start page.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::support::{
    http::{Reply, get, request},
    service::tutorial,
};

const PATHS: [&str; 16] = [
    "/",
    "/static/start.css",
    "/static/start.js",
    "/static/account.js",
    "/static/api.js",
    "/static/curl.js",
    "/static/dom.js",
    "/static/session.js",
    "/static/favicon.svg",
    "/docs",
    "/docs/favicon.svg",
    "/docs/docs.css",
    "/docs/docs.js",
    "/docs/swagger-ui.css",
    "/docs/swagger-ui-bundle.js",
    "/openapi.json",
];

fn unpacked(reply: &Reply) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(&*reply.body).read_to_end(&mut plain).expect("gzip");
    plain
}

#[test]
fn file_is_served_to_get_and_head_and_compressed_only_if_accepted() {
    for path in PATHS {
        let plain = get(path).send(tutorial());
        assert_eq!((plain.status, plain.header("content-encoding")), (200, None), "{path}");
        let gzip = get(path).header("Accept-Encoding", "gzip, deflate, br").send(tutorial());
        assert_eq!(gzip.header("content-encoding").as_deref(), Some("gzip"), "{path}");
        assert_eq!(unpacked(&gzip), plain.body, "{path}");
        let head = request("HEAD", path).send(tutorial());
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), plain.header("content-length"), "{path}");
        for reply in [plain, gzip] {
            assert_eq!(reply.header("vary").as_deref(), Some("Accept-Encoding"), "{path}");
            assert_eq!(reply.header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        }
    }
    let refused = get("/docs").header("Accept-Encoding", "gzip;q=0").send(tutorial());
    assert_eq!(refused.header("content-encoding"), None);
}

#[test]
fn file_with_a_matching_etag_returns_304() {
    for path in PATHS {
        let etag = get(path).send(tutorial()).header("etag").expect("an ETag");
        for known in [etag.clone(), format!("\"other\", {etag}"), "*".into()] {
            let reply = get(path).header("If-None-Match", known).send(tutorial());
            assert_eq!((reply.status, reply.body.len()), (304, 0), "{path}");
            assert_eq!(reply.header("etag").as_ref(), Some(&etag), "{path}");
        }
        assert_eq!(get(path).header("If-None-Match", "\"other\"").send(tutorial()).status, 200, "{path}");
    }
}

#[test]
fn content_security_policy_of_pages_allows_only_own_scripts_and_no_frames() {
    for (path, scripts) in [("/", "script-src 'self'; style-src 'self';"), ("/docs", "script-src 'self';")] {
        let policy = get(path).send(tutorial()).header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.contains(scripts) && policy.contains("frame-ancestors 'none'"), "{policy}");
    }
}

#[test]
fn openapi_document_matches_the_snapshot() {
    let document = get("/openapi.json").send(tutorial());
    assert_eq!(document.header("content-type").as_deref(), Some("application/json"));
    let document: Value = document.json();
    assert_eq!(document["openapi"], "3.1.0");
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn openapi_document_describes_exactly_the_routes() {
    let document = get("/openapi.json").send(tutorial()).json();
    let mut described = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.push(format!("{} {path}", method.to_uppercase()));
            let reply = request(&method.to_uppercase(), path).send(tutorial());
            assert!(![404, 405].contains(&reply.status), "{method} {path} is described but not served");
        }
    }
    described.sort();
    assert_eq!(described, ["GET /users/me", "POST /token"]);
}
