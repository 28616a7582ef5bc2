//! The two services, and what of their answers is compared.

use std::{
    fmt,
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex, Weak},
};

use crate::support::{
    http::{Reply, Request, exchange},
    left_out, python,
    service::{Program, tutorial},
};

/// Gatepass and FastAPI.
pub struct Peers {
    pub gatepass: SocketAddr,
    pub fastapi: SocketAddr,
    _uvicorn: Arc<Program>,
}

/// What one of the two servers that FastAPI usually runs on is called.
#[derive(Clone, Copy, Debug)]
pub enum Parser {
    Httptools,
    H11,
}

/// Both services; none where there is no FastAPI, and `test` is left out.
pub fn peers(test: &str) -> Option<Peers> {
    peers_with(test, Parser::Httptools)
}

pub fn peers_with(test: &str, parser: Parser) -> Option<Peers> {
    let uvicorn = match python::program("uvicorn") {
        Ok(_) => running(parser),
        Err(why) => {
            left_out(test, &format!("there is no FastAPI: {why}"));
            return None;
        }
    };
    let fastapi = uvicorn.address_after("running on http://");
    Some(Peers { gatepass: tutorial(), fastapi, _uvicorn: uvicorn })
}

/// The FastAPI that tests share; it ends with the last test that holds it.
fn running(parser: Parser) -> Arc<Program> {
    static RUNNING: [Mutex<Weak<Program>>; 2] = [Mutex::new(Weak::new()), Mutex::new(Weak::new())];
    // A start that failed in another test is tried anew.
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

/// What has to be the same.
#[derive(PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl From<Reply> for Answer {
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

/// `401 www-authenticate: Bearer {"detail":"Not authenticated"}`; a Content-Type of JSON is not told.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (name, value) in self.headers.iter().filter(|(_, value)| value != "application/json") {
            write!(f, " {name}: {value}")?;
        }
        write!(f, " {}", self.body)
    }
}

impl Peers {
    /// What the two answer: Gatepass, then FastAPI.
    pub fn answers(&self, bytes: &[u8]) -> (Answer, Answer) {
        (exchange(self.gatepass, bytes).into(), exchange(self.fastapi, bytes).into())
    }

    /// The two answers and the request, where they are not the same.
    pub fn difference(&self, bytes: &[u8]) -> Option<String> {
        let (gatepass, mut fastapi) = self.answers(bytes);
        for (_, allow) in fastapi.headers.iter_mut().filter(|(name, _)| *name == "allow") {
            // HEAD works wherever GET does; and where it does so in FastAPI too, the order is a set's.
            if matches!(&**allow, "GET" | "HEAD, GET") {
                *allow = "GET, HEAD".into();
            }
        }
        (gatepass != fastapi).then(|| {
            format!("  sent:     {}\n  gatepass: {gatepass}\n  fastapi:  {fastapi}", bytes.escape_ascii())
        })
    }
}

/// Holds the two against each other on every case, and names those in which they differ.
pub fn compare<'a>(test: &str, cases: impl IntoIterator<Item = (&'a str, Request)>) {
    if let Some(peers) = peers(test) {
        compare_on(&peers, cases);
    }
}

pub fn compare_on<'a>(peers: &Peers, cases: impl IntoIterator<Item = (&'a str, Request)>) {
    let differences: Vec<_> = cases
        .into_iter()
        .filter_map(|(name, request)| Some(format!("{name}\n{}", peers.difference(&request.bytes())?)))
        .collect();
    assert!(differences.is_empty(), "{} differences:\n\n{}\n", differences.len(), differences.join("\n\n"));
}
