//! The start page.

use std::io;

use actix_web::web::ServiceConfig;

use crate::http::endpoints::asset::{self, Asset, AssetFolder, CSS, HTML, JAVASCRIPT, SVG};

/// The Content Security Policy of the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The profiles that have their own parts of the page.
const PROFILES: [&str; 2] = ["tutorial", "secure"];

/// Returns the routes of the start page, with the parts between `<!--NAME-->` and `<!--/NAME-->` only if `profile` is NAME.
/// `audience` is the audience that the page requests tokens for, unless it is the default.
///
/// # Errors
/// If a file cannot be compressed.
pub(crate) fn routes(
    profile: &str,
    audience: Option<&str>,
) -> io::Result<impl Fn(&mut ServiceConfig) + Send + Sync + use<>> {
    let page = PROFILES
        .into_iter()
        .filter(|other| *other != profile)
        .fold(include_str!("../../../static/index.html").to_owned(), |page, other| {
            without(&page, &format!("<!--{other}-->"), &format!("<!--/{other}-->"))
        });
    let page = page.replace("<!--resource-->", &audience.map(resource_field).unwrap_or_default());
    let folder = AssetFolder::new(
        "static",
        [
            ("start.css", Asset::new(CSS, include_str!("../../../static/start.css"))?),
            ("start.js", Asset::new(JAVASCRIPT, include_str!("../../../static/start.js"))?),
            ("account.js", Asset::new(JAVASCRIPT, include_str!("../../../static/account.js"))?),
            ("api.js", Asset::new(JAVASCRIPT, include_str!("../../../static/api.js"))?),
            ("curl.js", Asset::new(JAVASCRIPT, include_str!("../../../static/curl.js"))?),
            ("dom.js", Asset::new(JAVASCRIPT, include_str!("../../../static/dom.js"))?),
            ("session.js", Asset::new(JAVASCRIPT, include_str!("../../../static/session.js"))?),
            ("favicon.svg", Asset::new(SVG, include_str!("../../../static/favicon.svg"))?),
        ],
    );
    let page = Asset::new(HTML, folder.link(&page))?.with_content_security_policy(POLICY);
    let (pages, files) = (asset::routes([("/", page)]), folder.routes());
    Ok(move |config: &mut ServiceConfig| {
        config.configure(pages.clone()).configure(files.clone());
    })
}

/// Returns the form field that requests an audience, which consists of visible ASCII characters.
fn resource_field(audience: &str) -> String {
    let value = audience.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!(r#"<input type="hidden" name="resource" value="{value}">"#)
}

/// Removes each part of a text from `start` to the next `end`.
fn without(text: &str, start: &str, end: &str) -> String {
    let mut parts = text.split(start);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| kept + part.split_once(end).map_or("", |(_, after)| after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_between_markers_are_removed() {
        assert_eq!(without("a<x>b</x>c<x>d</x>e", "<x>", "</x>"), "ace");
        assert_eq!(without("abc", "<x>", "</x>"), "abc");
    }

    #[test]
    fn every_marker_in_the_page_is_closed() {
        for profile in PROFILES {
            let page = include_str!("../../../static/index.html");
            let count = |marker: String| page.matches(&marker).count();
            assert!(count(format!("<!--{profile}-->")) > 0);
            assert_eq!(count(format!("<!--{profile}-->")), count(format!("<!--/{profile}-->")));
        }
    }
}
