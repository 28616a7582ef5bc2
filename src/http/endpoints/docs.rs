//! The API documentation: `/openapi.json`, and Swagger UI at `/docs`.

use std::{io, sync::Arc};

use actix_web::{http::Uri, web::ServiceConfig};
use serde_json::Value;
use utoipa::openapi::{
    OpenApi, RefOr, Server,
    security::{Flow, SecurityScheme},
};
use utoipa_swagger_ui::Config;

use crate::http::endpoints::asset::{self, Asset, AssetFolder, CSS, HTML, JAVASCRIPT, JSON, SVG};

/// The Content Security Policy of the page. Swagger UI uses inline styles, and data: URLs for icons.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; connect-src 'self'";

/// Returns the routes `/openapi.json` and `/docs`, for [`App::configure`](actix_web::App::configure).
///
/// All URLs of the page are relative, so that it works behind a proxy that adds a path prefix. For the same reason, a document
/// without servers is served with the server `.`, which means the URL of the document. If a token URL of the document is absolute,
/// the page may send requests to its origin, which must allow them by CORS.
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
    // Without servers, "Try it out" sends requests to `/`, without the prefix of a proxy.
    document.servers.get_or_insert_with(|| vec![Server::new(".")]);
    let policy =
        [POLICY.to_owned()].into_iter().chain(token_origins(&document)).collect::<Vec<_>>().join(" ");
    let folder = AssetFolder::new(
        "docs",
        [
            ("favicon.svg", Asset::new(SVG, include_str!("../../../static/favicon.svg"))?),
            ("docs.js", Asset::new(JAVASCRIPT, include_str!("../../../static/docs.js"))?),
            ("authorize.js", Asset::new(JAVASCRIPT, include_str!("../../../static/authorize.js"))?),
            ("tokens.js", Asset::new(JAVASCRIPT, include_str!("../../../static/tokens.js"))?),
            ("docs.css", Asset::new(CSS, include_str!("../../../static/docs.css"))?),
            ("swagger-ui.css", swagger_ui_file("swagger-ui.css", CSS)?),
            ("swagger-ui-bundle.js", swagger_ui_file("swagger-ui-bundle.js", JAVASCRIPT)?),
        ],
    );
    let page = folder.link(&page(&document.info.title));
    let pages = asset::routes([
        ("/openapi.json", Asset::new(JSON, json(&document)?)?),
        ("/docs", Asset::new(HTML, page)?.with_content_security_policy(policy)),
    ]);
    let files = folder.routes();
    Ok(move |config: &mut ServiceConfig| {
        config.configure(pages).configure(files);
    })
}

/// Returns a document as JSON. Swagger UI shows the flows of a security scheme in their order, and most people sign in with a
/// password.
fn json(document: &OpenApi) -> io::Result<String> {
    let mut document = serde_json::to_value(document)?;
    let schemes = document.pointer_mut("/components/securitySchemes").and_then(Value::as_object_mut);
    for scheme in schemes.into_iter().flat_map(|schemes| schemes.values_mut()) {
        let flows = scheme.get_mut("flows").and_then(Value::as_object_mut);
        if let Some((flows, last)) =
            flows.and_then(|flows| flows.shift_remove("clientCredentials").map(|last| (flows, last)))
        {
            flows.insert("clientCredentials".to_owned(), last);
        }
    }
    Ok(document.to_string())
}

/// Returns the origins of the absolute token URLs in a document: the sign-in services that the page may call.
fn token_origins(document: &OpenApi) -> Vec<String> {
    let schemes = document.components.iter().flat_map(|components| components.security_schemes.values());
    let flows = schemes.filter_map(|scheme| match scheme {
        RefOr::T(SecurityScheme::OAuth2(oauth2)) => Some(oauth2.flows.values()),
        _ => None,
    });
    let urls = flows.flatten().filter_map(|flow| match flow {
        Flow::Password(flow) => Some(&flow.token_url),
        Flow::ClientCredentials(flow) => Some(&flow.token_url),
        Flow::AuthorizationCode(flow) => Some(&flow.token_url),
        Flow::DeviceAuthorization(flow) => Some(&flow.token_url),
        Flow::Implicit(_) => None,
    });
    urls.filter_map(|url| {
        let url = url.parse::<Uri>().ok()?;
        Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
    })
    .collect()
}

/// Returns the page with the title of the document.
fn page(title: &str) -> String {
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    include_str!("../../../static/docs.html").replace("<title></title>", &format!("<title>{title}</title>"))
}

/// Returns a file of Swagger UI. utoipa-swagger-ui embeds them compressed.
fn swagger_ui_file(name: &str, content_type: &'static str) -> io::Result<Asset> {
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default()))
        .map_err(|error| io::Error::other(error.to_string()))?
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("Swagger UI has no {name}")))?;
    if !file.gzpipped {
        return Asset::new(content_type, file.bytes.into_owned());
    }
    Ok(Asset::from_gzip(content_type, file.bytes.into_owned()))
}
