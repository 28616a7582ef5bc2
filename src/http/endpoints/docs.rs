//! The documentation: `/openapi.json`, and Swagger UI at `/docs`.

use std::{io, sync::Arc};

use actix_web::web::ServiceConfig;
use utoipa::openapi::{OpenApi, Server};
use utoipa_swagger_ui::Config;

use crate::http::endpoints::asset::{self, Asset, CSS, HTML, JAVASCRIPT, JSON, SVG};

/// Swagger UI styles its elements one by one and draws its icons from data: URLs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src data:; connect-src 'self'; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'none'";

/// The routes `/openapi.json` and `/docs`, for [`App::configure`](actix_web::App::configure).
///
/// The page is at `/docs` exactly and all its URLs are relative, so that it works behind a proxy that adds a prefix to the
/// path, and Swagger UI finds `token` next to `/docs`. For the same reason a document without servers is served with the
/// server `.`: the API is where the document is.
///
/// ```
/// use actix_web::App;
/// # use gatepass::tutorial::{InsecureFakeHasher, InsecureSubjectTokens, TutorialUsers};
/// use gatepass::{Auth, docs};
///
/// # let auth = Auth::builder(TutorialUsers::default())
/// #     .passwords(InsecureFakeHasher::default())
/// #     .tokens(InsecureSubjectTokens)
/// #     .build()?;
/// let docs = docs::routes(&auth.openapi())?;
/// let app = App::new().configure(auth.routes()).configure(docs);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`io::Error`] if the document cannot be written as JSON.
pub fn routes(document: &OpenApi) -> io::Result<impl FnOnce(&mut ServiceConfig) + Clone + Send + use<>> {
    let mut document = document.clone();
    // Without servers OpenAPI means `/`, whatever the path of the document is, and so does "Try it out".
    document.servers.get_or_insert_with(|| vec![Server::new(".")]);
    Ok(asset::routes([
        ("/openapi.json", Asset::new(JSON, document.to_json()?)?),
        ("/docs", Asset::new(HTML, page(&document.info.title))?.with_content_security_policy(POLICY)),
        ("/docs/favicon.svg", Asset::new(SVG, include_str!("../../../static/favicon.svg"))?),
        ("/docs/docs.js", Asset::new(JAVASCRIPT, include_str!("../../../static/docs.js"))?),
        ("/docs/docs.css", Asset::new(CSS, include_str!("../../../static/docs.css"))?),
        ("/docs/swagger-ui.css", swagger_ui_file("swagger-ui.css", CSS)?),
        ("/docs/swagger-ui-bundle.js", swagger_ui_file("swagger-ui-bundle.js", JAVASCRIPT)?),
    ]))
}

/// The page, under the title of the document.
fn page(title: &str) -> String {
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    include_str!("../../../static/docs.html").replace("<title></title>", &format!("<title>{title}</title>"))
}

/// A file of Swagger UI, which utoipa-swagger-ui embeds as gzip.
fn swagger_ui_file(name: &str, content_type: &'static str) -> io::Result<Asset> {
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default()))
        .map_err(|error| io::Error::other(error.to_string()))?
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("Swagger UI has no {name}")))?;
    if !file.gzpipped {
        return Asset::new(content_type, file.bytes.into_owned());
    }
    Ok(Asset::from_gzip(content_type, file.bytes.into_owned()))
}
