//! A load: keep-alive connections from one thread, each with one request under way at any time.
//!
//! The connections are read in turn, blocking. That costs the client one read and one write a request and no
//! more, so that the server is what is measured.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::Failure;

pub const CONNECTIONS: usize = 32;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request and the body of its one right answer.
pub struct Exchange {
    request: Vec<u8>,
    body: Vec<u8>,
}

/// What a load came to.
pub struct Run {
    pub elapsed: Duration,
    /// From the request's first byte sent to the answer's last byte read, one for every request.
    pub latencies: Vec<Duration>,
}

struct Connection {
    stream: TcpStream,
    sent: Instant,
}

impl Exchange {
    pub fn new(request: &str, body: &str) -> Self {
        Self { request: request.into(), body: body.into() }
    }

    /// One request on a connection of its own.
    pub fn once(&self, address: SocketAddr) -> Result<(), Failure> {
        self.answer_length(address).map(drop)
    }

    /// Keeps `address` busy for `length`.
    pub fn run(&self, address: SocketAddr, length: Duration) -> Result<Run, Failure> {
        // Every answer has the length of the first: the date's does not change.
        let mut answer = vec![0; self.answer_length(address)?];
        let broken = |error: io::Error| format!("a connection to {address} broke: {error}");
        let mut receive = |connection: &mut Connection| {
            connection.stream.read_exact(&mut answer).map_err(broken)?;
            self.check(&answer)
        };
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            connections.push(Connection { stream: connect(address).map_err(broken)?, sent: Instant::now() });
        }

        let start = Instant::now();
        for connection in &mut connections {
            connection.sent = Instant::now();
            connection.stream.write_all(&self.request).map_err(broken)?;
        }
        let mut latencies = Vec::with_capacity(1 << 18);
        let mut turn = 0;
        let elapsed = loop {
            let connection = &mut connections[turn];
            turn = (turn + 1) % CONNECTIONS;
            receive(connection)?;
            let now = Instant::now();
            latencies.push(now - connection.sent);
            if now - start >= length {
                break now - start;
            }
            connection.sent = now;
            connection.stream.write_all(&self.request).map_err(broken)?;
        };
        // The answers that are still under way are checked, but came too late to count.
        for waiting in 0..CONNECTIONS - 1 {
            receive(&mut connections[(turn + waiting) % CONNECTIONS])?;
        }
        Ok(Run { elapsed, latencies })
    }

    fn answer_length(&self, address: SocketAddr) -> Result<usize, Failure> {
        let mut answer = Vec::new();
        let read = connect(address).and_then(|mut stream| {
            stream.write_all(&self.request)?;
            let mut part = [0; 4096];
            loop {
                let length = stream.read(&mut part)?;
                answer.extend(&part[..length]);
                if length == 0 || is_complete(&answer) {
                    return Ok(());
                }
            }
        });
        read.map_err(|error| format!("no answer from {address}: {error}"))?;
        self.check(&answer)?;
        Ok(answer.len())
    }

    fn check(&self, answer: &[u8]) -> Result<(), Failure> {
        if answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(&self.body) {
            return Ok(());
        }
        Err(format!("a wrong answer: {:?}", String::from_utf8_lossy(answer)))
    }
}

pub(super) fn is_complete(answer: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head_length)) = head.parse(answer) else {
        return false;
    };
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    answer.len() - head_length >= length.unwrap_or(0)
}

pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}
