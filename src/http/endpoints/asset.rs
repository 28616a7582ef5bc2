//! Embedded files, which are compressed on first use and which clients cache until the files change.
//!
//! Pages have fixed URLs, and browsers check for a new version every time ([`Asset::respond`]). The scripts and styles
//! of pages are in an [`AssetFolder`], whose URL changes with its content.

use std::{
    collections::hash_map::DefaultHasher,
    future::ready,
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    sync::{Arc, OnceLock},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, AcceptEncoding, Encoding, EntityTag, Header, IfNoneMatch},
    web::{self, Bytes},
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use crate::{
    domain::backend_error::BackendError,
    http::{endpoints::resource, error::ApiError},
};

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const CSS: &str = "text/css; charset=utf-8";
pub(crate) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
pub(crate) const JSON: &str = "application/json";
pub(crate) const SVG: &str = "image/svg+xml";

/// A file with its content type and its ETag.
pub(crate) struct Asset {
    content_type: &'static str,
    content_security_policy: Option<String>,
    // Either `gzip` or `plain` is set from the start; the other is created on first use.
    gzip: OnceLock<Bytes>,
    plain: OnceLock<Bytes>,
    etag: EntityTag,
}

impl Asset {
    /// Creates an asset from an uncompressed file. It is compressed when a client that accepts gzip first requests it.
    pub(crate) fn new(content_type: &'static str, plain: impl Into<Bytes>) -> Self {
        let plain = plain.into();
        Self { plain: plain.clone().into(), ..Self::with_etag_of(content_type, &plain) }
    }

    /// Creates an asset from a file that is already compressed.
    pub(crate) fn from_gzip(content_type: &'static str, gzip: impl Into<Bytes>) -> Self {
        let gzip = gzip.into();
        Self { gzip: gzip.clone().into(), ..Self::with_etag_of(content_type, &gzip) }
    }

    fn with_etag_of(content_type: &'static str, content: &Bytes) -> Self {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Self {
            content_type,
            content_security_policy: None,
            gzip: OnceLock::new(),
            plain: OnceLock::new(),
            // The ETag is weak, because the compressed and the plain file share it (RFC 9110 section 8.8.3.3).
            etag: EntityTag::new_weak(format!("{:016x}", hasher.finish())),
        }
    }

    /// Adds a Content Security Policy and a strict Referrer-Policy to the responses.
    pub(crate) fn with_content_security_policy(self, policy: impl Into<String>) -> Self {
        Self { content_security_policy: Some(policy.into()), ..self }
    }

    /// Responds with the file, or with 304 if the client already has this version. The client must revalidate the file
    /// before each use.
    pub(crate) fn respond(&self, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
        self.respond_with(request, "no-cache")
    }

    fn respond_with(
        &self,
        request: &HttpRequest,
        cache_control: &'static str,
    ) -> Result<HttpResponse, ApiError> {
        let unchanged = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&self.etag)),
            Err(_) => false,
        };
        let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header(header::ETag(self.etag.clone()))
            .insert_header((header::CACHE_CONTROL, cache_control))
            .insert_header((header::VARY, "Accept-Encoding"));
        // A 304 response also has these headers, because they replace those in the cache (RFC 9111 section 3.2).
        if let Some(policy) = &self.content_security_policy {
            response
                .insert_header((header::CONTENT_SECURITY_POLICY, policy.as_str()))
                .insert_header((header::REFERRER_POLICY, "no-referrer"));
        }
        if unchanged {
            return Ok(response.finish());
        }
        response.content_type(self.content_type).insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if accepts_gzip(request) {
            response.insert_header((header::CONTENT_ENCODING, "gzip"));
            Ok(response.body(self.gzip().map_err(BackendError::from)?))
        } else {
            Ok(response.body(self.plain().map_err(BackendError::from)?))
        }
    }

    fn gzip(&self) -> io::Result<Bytes> {
        get_or_create(&self.gzip, || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&self.plain()?)?;
            encoder.finish()
        })
    }

    pub(super) fn plain(&self) -> io::Result<Bytes> {
        get_or_create(&self.plain, || {
            let mut plain = Vec::new();
            GzDecoder::new(&*self.gzip()?).read_to_end(&mut plain)?;
            Ok(plain)
        })
    }
}

/// Returns the content of `cell`. If the cell is empty, creates the content first.
fn get_or_create(cell: &OnceLock<Bytes>, create: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Bytes> {
    if let Some(content) = cell.get() {
        return Ok(content.clone());
    }
    let content = create()?;
    Ok(cell.get_or_init(|| content.into()).clone())
}

fn accepts_gzip(request: &HttpRequest) -> bool {
    let supported = [Encoding::gzip(), Encoding::identity()];
    request.headers().contains_key(header::ACCEPT_ENCODING)
        && AcceptEncoding::parse(request)
            .is_ok_and(|accepted| accepted.negotiate(supported.iter()) == Some(Encoding::gzip()))
}

/// Returns routes that serve `assets` at their paths.
pub(crate) fn routes(
    assets: impl IntoIterator<Item = (&'static str, Asset)>,
) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send + Sync {
    let assets: Vec<_> = assets.into_iter().map(|(path, asset)| (path, Arc::new(asset))).collect();
    move |config: &mut web::ServiceConfig| {
        for (path, asset) in assets {
            config.service(resource::get(path, move |request: HttpRequest| ready(asset.respond(&request))));
        }
    }
}

/// The name of the path parameter that contains the version of a folder.
const VERSION: &str = "asset_version";

/// A folder whose files have paths with a hash of all the files, such as `/static/9f86d081884c7d65/start.js`. The file
/// at such a path never changes, so browsers may use it for a year without revalidating it. The files can refer to each
/// other by relative URLs.
pub(crate) struct AssetFolder {
    name: &'static str,
    version: String,
    assets: Vec<(&'static str, Arc<Asset>)>,
}

impl AssetFolder {
    /// Creates the folder `name` with these files.
    pub(crate) fn new(name: &'static str, assets: impl IntoIterator<Item = (&'static str, Asset)>) -> Self {
        let assets: Vec<_> = assets.into_iter().map(|(file, asset)| (file, Arc::new(asset))).collect();
        let mut hasher = DefaultHasher::new();
        for (file, asset) in &assets {
            (file, asset.etag.tag()).hash(&mut hasher);
        }
        Self { name, version: format!("{:016x}", hasher.finish()), assets }
    }

    /// Returns the URL of the folder relative to a page next to it, such as `static/9f86d081884c7d65/`.
    pub(crate) fn url(&self) -> String {
        format!("{}/{}/", self.name, self.version)
    }

    /// Returns a page with the version inserted into the URLs of this folder. In the source of the page, these URLs
    /// have no version: `"static/start.js"`.
    pub(crate) fn link(&self, page: &str) -> String {
        page.replace(&format!("\"{}/", self.name), &format!("\"{}", self.url()))
    }

    /// Returns the routes of the files. A path with another version also returns the file, but with `no-cache`: during
    /// an upgrade, the page may be from one replica and its files from another.
    pub(crate) fn routes(self) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send + Sync {
        let Self { name, version, assets } = self;
        move |config: &mut web::ServiceConfig| {
            for (file, asset) in assets {
                let version = version.clone();
                let respond = move |request: HttpRequest| {
                    let is_current = request.match_info().get(VERSION) == Some(version.as_str());
                    let cached = if is_current { "public, max-age=31536000, immutable" } else { "no-cache" };
                    ready(asset.respond_with(&request, cached))
                };
                config.service(resource::get(&format!("/{name}/{{{VERSION}}}/{file}"), respond));
            }
        }
    }
}
