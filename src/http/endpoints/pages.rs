//! The start page of the tutorial profile: FastAPI's chapter on passwords and bearer tokens, step by step.

use std::future::ready;

use actix_web::{HttpRequest, HttpResponse, web::ServiceConfig};

use crate::http::{
    endpoints::{
        asset::{Asset, AssetFolder, CSS, HTML, JAVASCRIPT, SVG},
        resource,
    },
    error::ApiError,
    trusted_proxies::RequestedHost,
};

/// The styles of the page.
const STYLES: &str =
    concat!(include_str!("../../../static/base.css"), include_str!("../../../static/start.css"));

/// The Content Security Policy of the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The address in the curl commands in the source of the page.
const ADDRESS: &str = "http://127.0.0.1:8000/";

/// Returns the routes of the start page.
pub(crate) fn routes() -> impl Fn(&mut ServiceConfig) + Send + Sync {
    let folder = AssetFolder::new(
        "static",
        [
            ("start.css", Asset::new(CSS, STYLES)),
            ("start.js", Asset::new(JAVASCRIPT, include_str!("../../../static/start.js"))),
            ("api.js", Asset::new(JAVASCRIPT, include_str!("../../../static/api.js"))),
            ("console.js", Asset::new(JAVASCRIPT, include_str!("../../../static/console.js"))),
            ("curl.js", Asset::new(JAVASCRIPT, include_str!("../../../static/curl.js"))),
            ("dom.js", Asset::new(JAVASCRIPT, include_str!("../../../static/dom.js"))),
            ("favicon.svg", Asset::new(SVG, include_str!("../../../static/favicon.svg"))),
        ],
    );
    let page = folder.link(include_str!("../../../static/index.html"));
    let files = folder.routes();
    move |config: &mut ServiceConfig| {
        let page = page.clone();
        let start = resource::get("/", move |request: HttpRequest| ready(respond(&page, &request)));
        config.service(start).configure(files.clone());
    }
}

/// Responds with the page. Its curl commands contain the address that the request was sent to. With JavaScript, the
/// page replaces this address with its own URL, which includes the path prefix of a proxy.
fn respond(page: &str, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let RequestedHost { scheme, host } = RequestedHost::of(request);
    // These characters are harmless in a shell command and in HTML.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_[]".contains(&byte);
    let page = if host.bytes().all(is_plain) {
        page.replace(ADDRESS, &format!("{scheme}://{host}/"))
    } else {
        page.to_owned()
    };
    Asset::new(HTML, page).with_content_security_policy(POLICY).respond(request)
}
