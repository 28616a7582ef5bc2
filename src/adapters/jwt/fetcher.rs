//! Fetches the keys of another service over HTTPS, and fetches them again when they may have changed.

use std::{fmt::Display, net::IpAddr, sync::Arc, time::Duration};

use serde::Deserialize;
use thiserror::Error;
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use ureq::{
    Agent,
    http::{Uri, header::CACHE_CONTROL},
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{key_set::MAX_LENGTH, remote_verifier::Shared};
use crate::domain::backend_error::BackendError;

/// The time limit for a request, including the DNS lookup and the body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The minimum time between two fetches, even if many tokens have an unknown kid.
const MIN_PAUSE: Duration = Duration::from_secs(5);

/// The minimum cache lifetime of keys.
const MIN_CACHED: Duration = Duration::from_secs(60);

/// The maximum cache lifetime of keys.
const MAX_CACHED: Duration = Duration::from_secs(60 * 60);

/// The cache lifetime of keys if the response does not specify one.
const DEFAULT_CACHED: Duration = Duration::from_secs(5 * 60);

/// The maximum pause between attempts while fetches fail.
const MAX_RETRY: Duration = Duration::from_secs(60);

/// The reason why keys cannot be fetched from an issuer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvalidIssuer {
    /// The URL is not absolute, contains a username, or is neither an `https` URL nor an `http` URL with a loopback
    /// host.
    #[error(
        "{0:?} must be an https URL, or an http URL with a loopback host, and contain no username or password"
    )]
    Url(String),
    /// The system has no usable root certificates.
    #[error("found no root certificates in the operating system's trust store: install ca-certificates")]
    NoCertificates,
}

/// The members of the server metadata that we use
/// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// A fetcher for the keys of one issuer.
pub(super) struct Fetcher {
    agent: Agent,
    issuer: Arc<str>,
    /// True if the URL of the issuer uses `https`. The URL of its keys must then use `https` too.
    is_https: bool,
    /// The URLs of the server metadata, most likely first.
    metadata: Vec<String>,
    /// The URL of the keys, once it is known.
    jwks_uri: Option<String>,
    /// True if the metadata must be read again before the next fetch.
    is_stale: bool,
}

impl Fetcher {
    pub(super) fn new(issuer: Arc<str>) -> Result<Self, InvalidIssuer> {
        let uri = parse(&issuer).ok_or_else(|| InvalidIssuer::Url(issuer.to_string()))?;
        let is_https = is_https(&uri);
        let mut config = Agent::config_builder()
            .timeout_global(Some(REQUEST_TIMEOUT))
            // A redirect could lead to a host that the issuer does not control.
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls(is_https)?);
        if !is_https {
            // `http` URLs have a loopback host, which a proxy cannot reach.
            config = config.proxy(None);
        }
        Ok(Self {
            agent: config.build().into(),
            metadata: metadata_urls(&uri),
            issuer,
            is_https,
            jwks_uri: None,
            is_stale: true,
        })
    }

    /// Fetches the keys now, when they expire, and when a token has an unknown key. While the issuer is unreachable,
    /// the known keys stay in use. The metadata is read again when the keys expire, after a failure, and if a fetch
    /// does not find the unknown key.
    pub(super) async fn run(mut self, shared: Arc<Shared>) {
        let (mut retry, mut has_unknown_key) = (MIN_PAUSE, false);
        loop {
            let fetched = spawn_blocking(|| {
                let keys = self.fetch();
                (self, keys)
            });
            let Ok((fetcher, keys)) = fetched.await else { return };
            self = fetcher;
            let set = keys.and_then(|(json, max_age)| Ok((shared.set_keys(&json)?, max_age)));
            let pause = match set {
                Ok((is_changed, max_age)) => {
                    retry = MIN_PAUSE;
                    // The issuer may have moved its keys to another URL while the old one still responds.
                    self.is_stale = has_unknown_key && !is_changed;
                    max_age
                }
                Err(error) => {
                    log::warn!("cannot fetch the keys of {}: {error}", self.issuer);
                    self.is_stale = true;
                    retry = (retry * 2).min(MAX_RETRY);
                    retry / 2
                }
            };
            sleep(MIN_PAUSE).await;
            let wait = timeout(pause.saturating_sub(MIN_PAUSE), shared.unknown_key.notified());
            has_unknown_key = wait.await.is_ok();
            self.is_stale |= !has_unknown_key;
        }
    }

    /// Returns the key set and its cache lifetime. Blocks the thread.
    fn fetch(&mut self) -> Result<(Vec<u8>, Duration), BackendError> {
        let known = self.jwks_uri.take();
        let jwks_uri = match known {
            Some(known) if !self.is_stale => known,
            // Even if the metadata cannot be read, the last known URL may return newer keys.
            Some(known) => self.discover().unwrap_or_else(|error| {
                log::warn!("cannot read the metadata of {}: {error}", self.issuer);
                known
            }),
            None => self.discover()?,
        };
        let fetched = self.get(&jwks_uri)?;
        self.jwks_uri = Some(jwks_uri);
        Ok(fetched)
    }

    /// Returns the URL of the keys from the issuer's metadata.
    fn discover(&self) -> Result<String, BackendError> {
        let mut failures = Vec::new();
        for url in &self.metadata {
            match self.read_metadata(url) {
                Ok(jwks_uri) => return Ok(jwks_uri),
                Err(error) => failures.push(error.to_string()),
            }
        }
        Err(BackendError::unavailable(failures.join("; ")))
    }

    fn read_metadata(&self, url: &str) -> Result<String, BackendError> {
        let (json, _) = self.get(url)?;
        let invalid = |error: &dyn Display| BackendError::new(format!("{url}: {error}"));
        let Metadata { issuer, jwks_uri } = serde_json::from_slice(&json).map_err(|error| invalid(&error))?;
        // RFC 8414 section 3.3 requires this comparison. Otherwise another issuer's keys could be used for this one.
        if *issuer != *self.issuer {
            return Err(invalid(&format!("the metadata belongs to another issuer: {issuer:?}")));
        }
        let Some(uri) = parse(&jwks_uri) else { return Err(invalid(&InvalidIssuer::Url(jwks_uri))) };
        if self.is_https && !is_https(&uri) {
            return Err(invalid(&format!("{jwks_uri:?} must be an https URL, because the issuer has one")));
        }
        Ok(jwks_uri)
    }

    /// Fetches a document of limited size, and returns it with its cache lifetime.
    fn get(&self, url: &str) -> Result<(Vec<u8>, Duration), BackendError> {
        let failed = |error: &dyn Display| BackendError::unavailable(format!("{url}: {error}"));
        let response = self.agent.get(url).header("Accept", "application/json").call();
        let mut response = response.map_err(|error| failed(&error))?;
        if response.status() != 200 {
            return Err(failed(&format!("status {}", response.status())));
        }
        let cache_control = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let cached = max_age(cache_control);
        let body = response.body_mut().with_config().limit(MAX_LENGTH as u64).read_to_vec();
        Ok((body.map_err(|error| failed(&error))?, cached))
    }
}

/// Returns the TLS settings, with the root certificates of the operating system.
fn tls(is_https: bool) -> Result<TlsConfig, InvalidIssuer> {
    let mut roots = Vec::new();
    if is_https {
        let found = rustls_native_certs::load_native_certs().certs;
        roots.extend(found.iter().map(|root| Certificate::from_der(root).to_owned()));
        if roots.is_empty() {
            return Err(InvalidIssuer::NoCertificates);
        }
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(roots.into()))
        .unversioned_rustls_crypto_provider(rustls::crypto::ring::default_provider().into())
        .build())
}

/// Parses an `https` URL, or an `http` URL with a loopback host.
fn parse(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?;
    let is_loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let is_safe = is_https(&uri) || uri.scheme_str() == Some("http") && is_loopback;
    (is_safe && !uri.authority()?.as_str().contains('@')).then_some(uri)
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// Returns the URLs of an issuer's metadata. [RFC 8414 section 3](https://www.rfc-editor.org/rfc/rfc8414#section-3)
/// puts its well-known path before the issuer's path; OpenID Connect puts another one after it. If a proxy adds the
/// issuer's path to all URLs, the well-known path of RFC 8414 follows that path too.
fn metadata_urls(issuer: &Uri) -> Vec<String> {
    let (scheme, authority) =
        (issuer.scheme_str().unwrap_or_default(), issuer.authority().map_or("", |a| a.as_str()));
    let path = issuer.path().trim_end_matches('/');
    let origin = format!("{scheme}://{authority}");
    const OAUTH: &str = "/.well-known/oauth-authorization-server";
    let mut urls =
        vec![format!("{origin}{OAUTH}{path}"), format!("{origin}{path}/.well-known/openid-configuration")];
    if !path.is_empty() {
        urls.push(format!("{origin}{path}{OAUTH}"));
    }
    urls
}

/// Returns the cache lifetime of a response, from [`MIN_CACHED`] to [`MAX_CACHED`]
/// ([RFC 9111 section 5.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2)).
fn max_age(cache_control: Option<&str>) -> Duration {
    let mut cached = DEFAULT_CACHED;
    for directive in cache_control.unwrap_or_default().to_ascii_lowercase().split(',').map(str::trim) {
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            cached = seconds.trim_matches('"').parse().map_or(Duration::ZERO, Duration::from_secs);
        } else if matches!(directive, "no-store" | "no-cache") {
            return MIN_CACHED;
        }
    }
    cached.clamp(MIN_CACHED, MAX_CACHED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_accepts_only_https_urls_and_http_urls_with_a_loopback_host() {
        for url in [
            "https://auth.example.com",
            "https://a/b",
            "http://127.0.0.1:8000",
            "http://localhost",
            "http://[::1]:1/x",
        ] {
            assert!(parse(url).is_some(), "{url}");
        }
        for url in [
            "",
            "auth.example.com",
            "/x",
            "http://auth.example.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "file:///etc/passwd",
            "https://johndoe:secret@auth.example.com",
            "http://127.0.0.1@example.com",
            "http://localhost.example.com",
        ] {
            assert!(parse(url).is_none(), "{url}");
        }
    }

    #[test]
    fn metadata_urls_have_the_well_known_path_before_and_after_the_path_of_the_issuer() {
        let urls = |issuer: &str| metadata_urls(&parse(issuer).unwrap());
        let [oauth, openid] = [
            "https://a.example/.well-known/oauth-authorization-server",
            "https://a.example/.well-known/openid-configuration",
        ];
        assert_eq!(urls("https://a.example"), [oauth, openid]);
        assert_eq!(urls("https://a.example/"), [oauth, openid]);
        assert_eq!(
            urls("https://a.example/t/1/"),
            [
                "https://a.example/.well-known/oauth-authorization-server/t/1",
                "https://a.example/t/1/.well-known/openid-configuration",
                "https://a.example/t/1/.well-known/oauth-authorization-server",
            ]
        );
    }

    #[test]
    fn cache_lifetime_follows_max_age_within_bounds() {
        for (header, seconds) in [
            (None, 300),
            (Some("public"), 300),
            (Some("public, max-age=150"), 150),
            (Some("Max-Age=\"600\""), 600),
            (Some("max-age=0"), 60),
            (Some("max-age=99999999"), 3600),
            (Some("max-age=99999999999999999999"), 60),
            (Some("max-age=-1"), 60),
            (Some("max-age=900, no-store"), 60),
            (Some("no-cache"), 60),
        ] {
            assert_eq!(max_age(header).as_secs(), seconds, "{header:?}");
        }
    }
}
