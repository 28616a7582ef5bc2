//! Gatepass and FastAPI side by side.

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

/// Both servers; `None`, and the test is skipped, without FastAPI.
pub fn servers() -> Option<Servers> {
    servers_with(Parser::Httptools)
}

fn servers_with(parser: Parser) -> Option<Servers> {
    python::program("uvicorn").inspect_err(|why| skip(why)).ok()?;
    let uvicorn = running(parser);
    let fastapi = uvicorn.address_after("running on http://");
    Some(Servers { gatepass: tutorial(), fastapi, _uvicorn: uvicorn })
}

/// The FastAPI that concurrent tests share. It ends with the last of them.
fn running(parser: Parser) -> Arc<Program> {
    static RUNNING: [Mutex<Weak<Program>>; 2] = [Mutex::new(Weak::new()), Mutex::new(Weak::new())];
    // A start that failed in another test is repeated.
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

/// The compared parts of a response.
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

/// `401 www-authenticate: Bearer {"detail":"Not authenticated"}`; a Content-Type of JSON is left out.
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
    /// The responses of Gatepass and of FastAPI.
    pub fn respond(&self, bytes: &[u8]) -> (Response, Response) {
        (exchange(self.gatepass, bytes).into(), exchange(self.fastapi, bytes).into())
    }

    /// The request and both responses, if they differ.
    pub fn difference(&self, bytes: &[u8]) -> Option<String> {
        let (gatepass, mut fastapi) = self.respond(bytes);
        for (_, allow) in fastapi.headers.iter_mut().filter(|(name, _)| *name == "allow") {
            // A known difference: HEAD works wherever GET does. FastAPI's order is that of a Python set.
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
