//! The OpenAPI document, the start page, `/docs` and `/redoc`.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::support::{
    http::{Reply, get, request},
    service::tutorial,
};

/// The paths of the pages and of the OpenAPI document.
const PAGES: [&str; 4] = ["/", "/docs", "/redoc", "/openapi.json"];

/// The folders and names of the scripts, styles and images. Their paths also contain a version.
const FILES: [(&str, &[&str]); 2] = [
    ("static", &["start.css", "start.js", "api.js", "console.js", "curl.js", "dom.js", "favicon.svg"]),
    (
        "docs",
        &[
            "favicon.svg",
            "docs.css",
            "docs.js",
            "authorize.js",
            "decoded.js",
            "swagger-ui.css",
            "swagger-ui-bundle.js",
            "redoc.css",
            "redoc.js",
            "redoc.standalone.js",
        ],
    ),
];

/// Returns the path of a folder, including the version, from a page that links to the folder.
fn folder_url(folder: &str) -> String {
    let page = get(if folder == "static" { "/" } else { "/docs" }).send(tutorial()).text();
    let (_, url) = page.split_once(&format!("href=\"{folder}/")).expect("a versioned URL");
    format!("/{folder}/{}", url.split('/').next().unwrap())
}

/// Returns the paths of the pages, the OpenAPI document and all files.
fn paths() -> Vec<String> {
    let files = FILES.iter().flat_map(|(folder, files)| {
        let folder = folder_url(folder);
        files.iter().map(move |file| format!("{folder}/{file}"))
    });
    PAGES.into_iter().map(str::to_owned).chain(files).collect()
}

fn unpacked(reply: &Reply) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(&*reply.body).read_to_end(&mut plain).expect("a body in gzip format");
    plain
}

#[test]
fn pages_and_files_support_get_and_head_and_are_compressed_only_if_accepted() {
    for path in &paths() {
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
fn request_with_a_matching_etag_returns_304() {
    for path in &paths() {
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
fn only_file_urls_with_the_current_version_are_cacheable_for_a_year() {
    for (folder, files) in FILES {
        let url = folder_url(folder);
        for file in files {
            let reply = get(&format!("{url}/{file}")).send(tutorial());
            let cached = Some("public, max-age=31536000, immutable");
            assert_eq!(reply.header("cache-control").as_deref(), cached, "{file}");
            let unchanged = get(&format!("{url}/{file}"))
                .header("If-None-Match", reply.header("etag").unwrap())
                .send(tutorial());
            assert_eq!((unchanged.status, unchanged.header("cache-control").as_deref()), (304, cached));
            // The page that links to the file may come from a replica with another version of Gatepass.
            let other = get(&format!("/{folder}/0123456789abcdef/{file}")).send(tutorial());
            assert_eq!((other.status, other.header("cache-control").as_deref()), (200, Some("no-cache")));
            assert_eq!(other.body, reply.body, "{file}");
        }
        assert_eq!(get(&format!("{url}/other.js")).send(tutorial()).status, 404);
    }
    for page in PAGES {
        let reply = get(page).send(tutorial());
        assert_eq!(reply.header("cache-control").as_deref(), Some("no-cache"), "{page}");
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
