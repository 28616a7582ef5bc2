//! The first load of /docs, as a browser makes it: the page and what it names, and the same once more.

use std::{io::Read, net::SocketAddr};

use flate2::read::GzDecoder;

use crate::{
    cases,
    peer::On,
    service,
    support::{Failure, load},
};

pub struct Documentation {
    /// Of all answers, heads and bodies.
    pub bytes: usize,
    pub files: usize,
    /// How many of them were answered 304 the second time.
    pub not_modified: usize,
}

pub fn measure() -> Result<Documentation, Failure> {
    let service = service::tutorial(On::Any, Some(1))?;
    service.await_answer(&cases::tutorial_read_users_me())?;
    let (page, mut bytes) = fetch(service.address, "/docs")?;
    let mut seen = vec![("/docs".to_owned(), page.etag)];
    let html = text(&page.body)?;
    // Everything that it names is Swagger UI's or of this service, beside the page; the document, which Swagger UI
    // loads, too.
    for name in html.split("src=\"").chain(html.split("href=\"")).filter_map(named) {
        let path = format!("/{name}");
        if seen.iter().all(|(known, _)| *known != path) {
            let (file, length) = fetch(service.address, &path)?;
            bytes += length;
            seen.push((path, file.etag));
        }
    }
    let mut not_modified = 0;
    for (path, etag) in &seen {
        let answer = get(service.address, path, &format!("If-None-Match: {etag}\r\n"))?;
        not_modified += usize::from(answer.starts_with(b"HTTP/1.1 304 "));
    }
    Ok(Documentation { bytes, files: seen.len(), not_modified })
}

struct File {
    body: Vec<u8>,
    etag: String,
}

/// A file, and the length of the whole answer.
fn fetch(address: SocketAddr, path: &str) -> Result<(File, usize), Failure> {
    let answer = get(address, path, "")?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.map_or(answer.len(), |end| end + 4));
    let head = String::from_utf8_lossy(head);
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    if !head.starts_with("HTTP/1.1 200 ") || header("content-encoding") != Some("gzip") {
        return Err(format!("GET {path}: not 200 with gzip: {head}"));
    }
    let etag = header("etag").ok_or_else(|| format!("GET {path}: no ETag"))?;
    Ok((File { body: body.to_vec(), etag: etag.to_owned() }, answer.len()))
}

fn get(address: SocketAddr, path: &str, header: &str) -> Result<Vec<u8>, Failure> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n{header}\r\n");
    load::ask(address, request.as_bytes()).map_err(|error| format!("GET {path}: {error}"))
}

fn text(gzip: &[u8]) -> Result<String, Failure> {
    let mut text = String::new();
    GzDecoder::new(gzip).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// A relative URL up to the quote at its end; none before the first attribute.
fn named(rest: &str) -> Option<&str> {
    let (name, _) = rest.split_once('"')?;
    (!name.is_empty() && !name.contains([' ', '<', ':'])).then_some(name)
}

impl Documentation {
    pub fn kib(&self) -> f64 {
        self.bytes as f64 / 1024.0
    }
}
