//! Keys that a verifier fetches from an issuer.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use gatepass::{
    AccessToken, TokenVerifier,
    jwt::{RemoteJwtVerifier, SigningAlgorithm},
};
use serde_json::json;

use crate::{
    support::wait::{TIMEOUT, throughout, wait_until},
    tokens::service::{Tokens, issue, key_set, now},
};

const METADATA: &str = "/.well-known/oauth-authorization-server";

/// An issuer whose responses the test sets.
#[derive(Clone)]
struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The status, further headers and body for each path. Other paths get 404.
    responses: HashMap<String, (&'static str, String, Vec<u8>)>,
    /// The time and path of each request.
    requests: Vec<(Instant, String)>,
}

impl Issuer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let server = issuer.clone();
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| server.respond(stream)));
        issuer
    }

    fn respond(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).unwrap_or(0) == 0 {
                return;
            }
            head.extend(byte);
        }
        let path = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
        let missing = ("404 Not Found", String::new(), Vec::new());
        let (status, headers, body) = self.lock().responses.get(&path).cloned().unwrap_or(missing);
        self.lock().requests.push((Instant::now(), path));
        let head = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        // A client that refuses the response may close the connection early.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn set(&self, path: &str, status: &'static str, headers: &str, body: impl ToString) {
        let response = (status, headers.to_owned(), body.to_string().into_bytes());
        self.lock().responses.insert(path.to_owned(), response);
    }

    /// Serves metadata at `path`.
    fn set_metadata(&self, path: &str, issuer: &str, jwks_uri: &str) {
        self.set(path, "200 OK", "", json!({ "issuer": issuer, "jwks_uri": jwks_uri, "x": 1 }));
    }

    /// Returns the number of requests for this path.
    fn count(&self, path: &str) -> usize {
        self.lock().requests.iter().filter(|(_, requested)| requested == path).count()
    }
}

/// Opens the tokens of an issuer whose keys have no activation delay.
fn tokens(issuer: &str) -> Tokens {
    Tokens::open_with(now(), |settings| {
        (settings.issuer, settings.audience) = (issuer.into(), issuer.into());
        settings.activation_delay = Duration::ZERO;
    })
}

/// Starts an issuer at `path` with metadata and keys at these paths, and a verifier that has fetched the keys.
fn issuer_with_verifier(path: &str, metadata: &str, keys: &str) -> (Issuer, RemoteJwtVerifier, Tokens) {
    let issuer = Issuer::start();
    let url = issuer.url(path);
    let tokens = tokens(&url);
    issuer.set_metadata(metadata, &url, &issuer.url(keys));
    issuer.set(keys, "200 OK", "Cache-Control: max-age=3600\r\n", key_set(&tokens.tokens, now()));
    let remote = RemoteJwtVerifier::discover(url.as_str(), url.as_str()).unwrap();
    let token = issue(&tokens.tokens, now());
    wait_until(TIMEOUT, metadata, || verified(&remote, &token) == Some(true));
    (issuer, remote, tokens)
}

/// Rotates the key of an issuer and returns a token signed with the new key.
fn rotate(tokens: &Tokens) -> String {
    tokens.keys().rotate().unwrap();
    tokens.tokens.refresh();
    issue(&tokens.tokens, now() + Duration::from_secs(1))
}

/// Returns whether the token is valid, or `None` if the verifier has no keys yet.
fn verified(remote: &RemoteJwtVerifier, token: &str) -> Option<bool> {
    let verified = remote.verify(&AccessToken::from(token), now()).now_or_never().unwrap();
    verified.ok().map(|claims| claims.is_some())
}

#[test]
fn keys_are_discovered_at_each_metadata_url() {
    for (path, metadata) in [
        ("", METADATA.to_owned()),
        ("/", METADATA.to_owned()),
        ("", "/.well-known/openid-configuration".to_owned()),
        ("/realms/one", format!("{METADATA}/realms/one")),
        ("/realms/one", "/realms/one/.well-known/openid-configuration".to_owned()),
        ("/realms/one", format!("/realms/one{METADATA}")),
    ] {
        issuer_with_verifier(path, &metadata, "/keys");
    }
}

#[test]
fn unknown_keys_cause_a_fetch_at_most_every_five_seconds() {
    let (issuer, remote, tokens) = issuer_with_verifier("", METADATA, "/keys");
    let new = rotate(&tokens);
    let clone = remote.clone();
    drop(remote);
    throughout(Duration::from_secs(6), || assert_eq!(verified(&clone, &new), Some(false)));
    assert!((2..=3).contains(&issuer.count("/keys")), "{}", issuer.count("/keys"));
    issuer.set("/keys", "200 OK", "", key_set(&tokens.tokens, now()));
    wait_until(TIMEOUT, "the new key is fetched", || verified(&clone, &new) == Some(true));
    let fetches: Vec<_> = issuer.lock().requests.iter().map(|(at, path)| (*at, path.clone())).collect();
    let keys: Vec<_> = fetches.iter().filter(|(_, path)| path == "/keys").map(|(at, _)| *at).collect();
    assert!(keys.windows(2).all(|pair| pair[1] - pair[0] > Duration::from_millis(4900)), "{keys:?}");

    // When the last clone is dropped, the background task ends, even if an unknown key was just reported.
    assert_eq!(verified(&clone, &token_of_an_unknown_key(&issuer)), Some(false));
    drop(clone);
    let count = issuer.lock().requests.len();
    throughout(Duration::from_secs(6), || assert_eq!(issuer.lock().requests.len(), count));
}

#[test]
fn errors_from_the_issuer_do_not_remove_the_known_keys() {
    thread::scope(|scope| {
        for (status, body) in
            [("500 Internal Server Error", ""), ("200 OK", "<html>"), ("200 OK", r#"{"keys":[]}"#)]
        {
            scope.spawn(move || {
                let (issuer, remote, tokens) = issuer_with_verifier("", METADATA, "/keys");
                let known = issue(&tokens.tokens, now());
                let (unknown, before) = (token_of_an_unknown_key(&issuer), issuer.count("/keys"));
                issuer.set("/keys", status, "", body);
                wait_until(TIMEOUT, "the keys are fetched again", || {
                    assert_eq!(verified(&remote, &unknown), Some(false), "{status} {body}");
                    issuer.count("/keys") > before
                });
                // The verifier needs some time to read the response.
                let check = || assert_eq!(verified(&remote, &known), Some(true), "{status} {body}");
                throughout(Duration::from_secs(1), check);
            });
        }
    });
}

#[test]
fn moved_keys_are_found_while_the_old_url_still_responds() {
    let (issuer, remote, tokens) = issuer_with_verifier("", METADATA, "/old");
    let new = rotate(&tokens);
    issuer.set_metadata(METADATA, &issuer.url(""), &issuer.url("/new"));
    issuer.set("/new", "200 OK", "", key_set(&tokens.tokens, now()));
    wait_until(TIMEOUT, "the new URL is found", || verified(&remote, &new) == Some(true));
    let fetches: Vec<_> = issuer.lock().requests.iter().map(|(at, path)| (*at, path.clone())).collect();
    let keys: Vec<_> = fetches.iter().filter(|(_, path)| path != METADATA).map(|(at, _)| *at).collect();
    assert!(keys.windows(2).all(|pair| pair[1] - pair[0] > Duration::from_millis(4900)), "{fetches:?}");

    // Without metadata, the known URL stays in use.
    issuer.set(METADATA, "500 Internal Server Error", "", "");
    let (unknown, before) = (token_of_an_unknown_key(&issuer), issuer.count("/new"));
    wait_until(Duration::from_secs(60), "the keys are fetched without metadata", || {
        assert_eq!(verified(&remote, &unknown), Some(false));
        issuer.count("/new") >= before + 2
    });
}

fn token_of_an_unknown_key(issuer: &Issuer) -> String {
    issue(&tokens(&issuer.url("")).tokens, now())
}

#[test]
fn keys_from_untrusted_or_invalid_sources_are_not_used() {
    let [issuer, other] = [(); 2].map(|()| Issuer::start());
    let url = issuer.url("");
    let tokens = tokens(&url);
    let keys = key_set(&tokens.tokens, now());
    other.set("/keys", "200 OK", "", &keys);
    issuer.set("/keys", "200 OK", "", &keys);
    let redirect = format!("Location: {}\r\n", other.url("/keys"));
    issuer.set("/moved", "302 Found", &redirect, "");
    issuer.set("/large", "200 OK", "", format!("{keys}{}", " ".repeat(1 << 20)));
    let token = issue(&tokens.tokens, now());
    let missing = format!("{}?", issuer.url("/keys"));
    thread::scope(|scope| {
        // The verifiers run concurrently, each with its own path under the issuer's URL.
        for (path, metadata_issuer, jwks_uri) in [
            ("/issuer", other.url(""), issuer.url("/keys")),
            ("/slash", issuer.url("/slash/"), issuer.url("/keys")),
            ("/http", issuer.url("/http"), "http://auth.example.com/keys".to_owned()),
            ("/file", issuer.url("/file"), "file:///etc/passwd".to_owned()),
            ("/redirect", issuer.url("/redirect"), issuer.url("/moved")),
            ("/size", issuer.url("/size"), issuer.url("/large")),
            ("/missing", issuer.url("/missing"), missing.clone()),
        ] {
            let (issuer, token) = (&issuer, &token);
            scope.spawn(move || {
                let metadata = format!("{METADATA}{path}");
                issuer.set_metadata(&metadata, &metadata_issuer, &jwks_uri);
                let url = issuer.url(path);
                let remote = RemoteJwtVerifier::discover(url.as_str(), url.as_str()).unwrap();
                // The second attempt begins after the first one failed.
                wait_until(TIMEOUT, path, || {
                    assert_eq!(verified(&remote, token), None, "{path}");
                    issuer.count(&metadata) >= 2
                });
            });
        }
    });
    assert_eq!(other.lock().requests.len(), 0, "redirects should not be followed");
}

#[test]
fn issuer_url_without_https_or_with_credentials_is_refused() {
    for url in ["auth.example.com", "http://auth.example.com", "https://johndoe:secret@auth.example.com", ""]
    {
        let error = RemoteJwtVerifier::discover(url, url).unwrap_err().to_string();
        assert!(error.contains("https"), "{error}");
    }
    RemoteJwtVerifier::discover("https://auth.example.invalid", "x")
        .expect("the issuer need not be reachable");
    assert_eq!(SigningAlgorithm::default(), SigningAlgorithm::Es256);
}
