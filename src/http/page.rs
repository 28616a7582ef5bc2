//! The start page.

use std::io;

use actix_web::web::ServiceConfig;

use crate::http::asset::{self, Asset, CSS, HTML, JAVASCRIPT, SVG};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The start page at `/`: what this is, a form to sign in with, the way to the documentation.
///
/// # Errors
/// Where a file cannot be compressed.
pub(crate) fn routes() -> io::Result<impl FnOnce(&mut ServiceConfig) + Clone + Send> {
    Ok(asset::routes([
        (
            "/",
            Asset::new(HTML, include_str!("../../static/index.html"))?.with_content_security_policy(POLICY),
        ),
        ("/static/start.css", Asset::new(CSS, include_str!("../../static/start.css"))?),
        ("/static/start.js", Asset::new(JAVASCRIPT, include_str!("../../static/start.js"))?),
        ("/static/favicon.svg", Asset::new(SVG, include_str!("../../static/favicon.svg"))?),
    ]))
}
