//! Sends the same requests to Gatepass and FastAPI, and compares the responses.

use std::{
    fmt,
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex, Weak},
};

use crate::support::{
    http::{Reply, Request, exchange},
    python,
    service::{Program, tutorial},
    skip,
};

pub struct Servers {
    pub gatepass: SocketAddr,
    pub fastapi: SocketAddr,
    _uvicorn: Arc<Program>,
}

/// The HTTP parser that uvicorn uses.
#[derive(Clone, Copy, Debug)]
pub enum Parser {
    Httptools,
    H11,
}

/// Starts both servers. Returns `None`, which skips the test, if FastAPI is missing.
pub fn servers() -> Option<Servers> {
    servers_with(Parser::Httptools)
}

fn servers_with(parser: Parser) -> Option<Servers> {
    python::program("uvicorn").inspect_err(|why| skip(why)).ok()?;
    let uvicorn = running(parser);
    let fastapi = uvicorn.address_after("running on http://");
    Some(Servers { gatepass: tutorial(), fastapi, _uvicorn: uvicorn })
}

/// Returns the FastAPI server that concurrent tests share. The server stops when the last of them ends.
fn running(parser: Parser) -> Arc<Program> {
    static RUNNING: [Mutex<Weak<Program>>; 2] = [Mutex::new(Weak::new()), Mutex::new(Weak::new())];
    // The lock is poisoned if the start failed in another test: try again.
    let mut running = RUNNING[parser as usize].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    running.upgrade().unwrap_or_else(|| {
        let program = Arc::new(Program::run(
            Command::new(python::program("uvicorn").unwrap())
                .args(["chapter:app", "--port", "0", "--no-access-log", "--no-use-colors", "--http"])
                .arg(format!("{parser:?}").to_lowercase())
                .args(["--app-dir", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fastapi")])
                .env("PYTHONDONTWRITEBYTECODE", "1"),
        ));
        *running = Arc::downgrade(&program);
        program
    })
}

/// The parts of a response that are compared.
#[derive(PartialEq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        let headers = ["www-authenticate", "allow", "location", "content-type"];
        let headers = headers.into_iter().filter_map(|name| Some((name, reply.header(name)?)));
        Self {
            status: reply.status,
            headers: headers.collect(),
            body: String::from_utf8_lossy(&reply.body).into(),
        }
    }
}

/// Formats a response as `401 www-authenticate: Bearer {"detail":"Not authenticated"}`. Omits the `Content-Type` of
/// JSON.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (name, value) in self.headers.iter().filter(|(_, value)| value != "application/json") {
            write!(f, " {name}: {value}")?;
        }
        write!(f, " {}", self.body)
    }
}

impl Servers {
    /// Returns the responses of Gatepass and of FastAPI.
    pub fn respond(&self, bytes: &[u8]) -> (Response, Response) {
        (exchange(self.gatepass, bytes).into(), exchange(self.fastapi, bytes).into())
    }

    /// Returns the request and both responses as text if the responses differ.
    pub fn difference(&self, bytes: &[u8]) -> Option<String> {
        let (gatepass, mut fastapi) = self.respond(bytes);
        for (_, allow) in fastapi.headers.iter_mut().filter(|(name, _)| *name == "allow") {
            // A known difference: HEAD works wherever GET does. FastAPI lists the methods in the arbitrary order of a
            // Python set.
            if matches!(&**allow, "GET" | "HEAD, GET") {
                *allow = "GET, HEAD".into();
            }
        }
        (gatepass != fastapi).then(|| {
            format!("  sent:     {}\n  gatepass: {gatepass}\n  fastapi:  {fastapi}", bytes.escape_ascii())
        })
    }
}

/// Compares the responses of both servers to named requests.
pub fn compare(cases: impl IntoIterator<Item = (impl fmt::Display, Request)>) {
    compare_with(Parser::Httptools, cases);
}

pub fn compare_with(parser: Parser, cases: impl IntoIterator<Item = (impl fmt::Display, Request)>) {
    let Some(servers) = servers_with(parser) else { return };
    let differences: Vec<_> = cases
        .into_iter()
        .filter_map(|(name, request)| Some(format!("{name}\n{}", servers.difference(&request.bytes())?)))
        .collect();
    assert!(differences.is_empty(), "{} differences:\n\n{}\n", differences.len(), differences.join("\n\n"));
}
