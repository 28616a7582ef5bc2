//! The API documentation: `/openapi.json`, Swagger UI at `/docs` and ReDoc at `/redoc`.

use std::{collections::HashSet, io, sync::Arc};

use actix_web::{http::Uri, web::ServiceConfig};
use serde_json::Value;
use utoipa::openapi::{
    OpenApi, RefOr, Server,
    security::{Flow, SecurityScheme},
    tag::Tag,
};
use utoipa_swagger_ui::Config;

use crate::http::endpoints::{
    TAGS,
    asset::{self, Asset, AssetFolder, CSS, HTML, JAVASCRIPT, JSON, SVG},
    used_tags,
};

/// The Content Security Policy of the pages. Swagger UI and ReDoc use inline styles, and `data:` URLs for icons. ReDoc
/// searches in a worker, whose script has a `blob:` URL.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src data:; worker-src blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; connect-src 'self'";

const DOCS_SCRIPT: &str =
    concat!(include_str!("../../../static/tokens.js"), include_str!("../../../static/docs.js"));
const DOCS_STYLES: &str =
    concat!(include_str!("../../../static/header.css"), include_str!("../../../static/docs.css"));
const REDOC_STYLES: &str =
    concat!(include_str!("../../../static/header.css"), include_str!("../../../static/redoc.css"));

/// ReDoc, compressed: see static/vendor/NOTICE.md.
const REDOC: &[u8] = include_bytes!("../../../static/vendor/redoc.standalone.js.gz");

/// Returns the routes `/openapi.json`, `/docs` (Swagger UI) and `/redoc` (ReDoc), for
/// [`App::configure`](actix_web::App::configure).
///
/// The pages load nothing from other origins. All their URLs are relative, so that they work behind a proxy that adds a
/// path prefix. For the same reason, a document without servers gets the server `.`, the directory of the document's
/// URL. If a token URL of the document is absolute, the pages may send requests to its origin, which must allow them
/// with CORS.
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
/// [`io::Error`] if the document cannot be serialized as JSON.
pub fn routes(document: &OpenApi) -> io::Result<impl FnOnce(&mut ServiceConfig) + Clone + Send + use<>> {
    routes_linked(document, None)
}

/// Returns the same routes as [`routes`], but the pages link to the application's own page at the URL `home`. A
/// relative URL, such as `./`, is resolved against `/docs`.
///
/// # Errors
/// Returns the same errors as [`routes`].
pub fn routes_with_home(
    document: &OpenApi,
    home: &str,
) -> io::Result<impl FnOnce(&mut ServiceConfig) + Clone + Send + use<>> {
    routes_linked(document, Some(home))
}

fn routes_linked(
    document: &OpenApi,
    home: Option<&str>,
) -> io::Result<impl FnOnce(&mut ServiceConfig) + Clone + Send + use<>> {
    let mut document = document.clone();
    // If no servers are listed, "Try it out" sends requests to `/`, without the path prefix that a proxy adds.
    document.servers.get_or_insert_with(|| vec![Server::new(".")]);
    list_tags(&mut document);
    let policy =
        [POLICY.to_owned()].into_iter().chain(token_origins(&document)).collect::<Vec<_>>().join(" ");
    let folder = AssetFolder::new(
        "docs",
        [
            ("favicon.svg", Asset::new(SVG, include_str!("../../../static/favicon.svg"))),
            ("docs.js", Asset::new(JAVASCRIPT, DOCS_SCRIPT)),
            ("authorize.js", Asset::new(JAVASCRIPT, include_str!("../../../static/authorize.js"))),
            ("decoded.js", Asset::new(JAVASCRIPT, include_str!("../../../static/decoded.js"))),
            ("docs.css", Asset::new(CSS, DOCS_STYLES)),
            ("swagger-ui.css", swagger_ui_file("swagger-ui.css", CSS)?),
            ("swagger-ui-bundle.js", swagger_ui_file("swagger-ui-bundle.js", JAVASCRIPT)?),
            ("redoc.js", Asset::new(JAVASCRIPT, include_str!("../../../static/redoc.js"))),
            ("redoc.css", Asset::new(CSS, REDOC_STYLES)),
            ("redoc.standalone.js", Asset::from_gzip(JAVASCRIPT, REDOC)),
        ],
    );
    let page = |source: &str, library: &str| {
        let page = folder.link(&page(source, &document.info.title, library, home));
        Asset::new(HTML, page).with_content_security_policy(policy.as_str())
    };
    let pages = asset::routes([
        ("/openapi.json", Asset::new(JSON, json(&document)?)),
        ("/docs", page(include_str!("../../../static/docs.html"), "Swagger UI")),
        ("/redoc", page(include_str!("../../../static/redoc.html"), "ReDoc")),
    ]);
    let files = folder.routes();
    Ok(move |config: &mut ServiceConfig| {
        config.configure(pages).configure(files);
    })
}

/// Returns a document as JSON, with the client credentials flow last: Swagger UI shows the flows of a security scheme
/// in the order of the document, and most users sign in with a password.
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

/// Adds the tags that operations use but the document does not list, and removes repeated tags. The added tags precede
/// those of [`Auth::openapi`](crate::Auth::openapi): Swagger UI shows tags in the order of the list, and the
/// application's tags are more important.
fn list_tags(document: &mut OpenApi) {
    let used = used_tags(document);
    let Some(tags) = &mut document.tags else { return };
    let mut listed = HashSet::new();
    tags.retain(|tag| listed.insert(tag.name.clone()));
    let position = tags.iter().position(|tag| TAGS.iter().any(|(name, _)| *name == tag.name));
    let missing = used.iter().filter(|name| !listed.contains(*name)).map(Tag::new);
    let position = position.unwrap_or(tags.len());
    tags.splice(position..position, missing);
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

/// Returns a page with a title as in FastAPI and, if `home` is set, a link to the application's own page.
fn page(source: &str, title: &str, library: &str, home: Option<&str>) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let title = escaped(title);
    let home = home.map(|home| {
        let url = escaped(home);
        format!(r#"<a class="home" href="{url}"><img src="docs/favicon.svg" alt="" width="20" height="20">{title}</a>"#)
    });
    source
        .replace("<title></title>", &format!("<title>{title} - {library}</title>"))
        .replace("<!--home-->", &home.unwrap_or_default())
}

/// Returns a file of Swagger UI. utoipa-swagger-ui may embed it compressed.
fn swagger_ui_file(name: &str, content_type: &'static str) -> io::Result<Asset> {
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default()))
        .map_err(|error| io::Error::other(error.to_string()))?
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("Swagger UI has no file {name}")))?;
    let bytes = file.bytes.into_owned();
    if !file.gzpipped {
        return Ok(Asset::new(content_type, bytes));
    }
    let asset = Asset::from_gzip(content_type, bytes);
    if content_type == JAVASCRIPT {
        return Ok(asset);
    }
    // Recompress the file at the best level, which makes it smaller. For the script, this would take too long.
    Ok(Asset::new(content_type, asset.plain()?))
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::tag::TagBuilder;

    use super::*;

    #[utoipa::path(get, path = "/items", tag = "Items", responses((status = 200)))]
    #[expect(dead_code, reason = "carries the documentation")]
    fn items() {}

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(items))]
    struct Document;

    #[test]
    fn tags_are_listed_once_with_application_tags_before_gatepass_tags() {
        let names = |tags: &[(&str, &str)]| {
            let mut document = <Document as utoipa::OpenApi>::openapi();
            let tag = |(name, description): &(&str, &str)| {
                TagBuilder::new().name(*name).description(Some(*description)).build()
            };
            document.tags = Some(tags.iter().map(tag).collect());
            list_tags(&mut document);
            let tags = document.tags.unwrap_or_default();
            tags.into_iter().map(|tag| (tag.name, tag.description.unwrap_or_default())).collect::<Vec<_>>()
        };
        let pair = |name: &str, description: &str| (name.to_owned(), description.to_owned());
        let oauth2 = pair("OAuth2", "Sign in, and manage tokens");
        assert_eq!(names(&[("OAuth2", "Sign in, and manage tokens")]), [pair("Items", ""), oauth2]);
        let listed =
            [("Other", "o"), ("Items", "i"), ("OAuth2", "mine"), ("OAuth2", "Sign in, and manage tokens")];
        assert_eq!(names(&listed), [pair("Other", "o"), pair("Items", "i"), pair("OAuth2", "mine")]);
    }

    #[test]
    fn page_title_is_escaped_and_home_link_appears_only_if_a_home_url_is_set() {
        let source = include_str!("../../../static/docs.html");
        let with = page(source, "A & <B>", "Swagger UI", Some("../?a=\"b\""));
        assert!(with.contains("<title>A &amp; &lt;B> - Swagger UI</title>"), "{with}");
        assert!(with.contains(r#"href="../?a=&quot;b&quot;""#), "{with}");
        let without = page(source, "A", "Swagger UI", None);
        assert!(!without.contains("class=\"home\"") && !without.contains("<!--"), "{without}");
    }
}
