//! A keep-alive connection that carries one request at a time.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::Result;

/// The read timeout: long enough for a password hash on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The number of connections that [`for_each`] opens.
const CONNECTIONS: usize = 8;

pub struct Connection(TcpStream);

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    pub body: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(stream))
    }

    /// Sends a request and reads its response.
    pub fn request(&mut self, request: &str) -> Result<Response> {
        self.send(request)?;
        self.receive()
    }

    /// Sends a request or a part of one.
    pub fn send(&mut self, part: &str) -> Result<()> {
        Ok(self.0.write_all(part.as_bytes())?)
    }

    pub fn receive(&mut self) -> Result<Response> {
        let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let length = self.0.read(&mut part)?;
            bytes.extend(&part[..length]);
            if let Some(response) = Response::parse(&bytes)? {
                return Ok(response);
            }
            if length == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

impl Response {
    /// Returns `None` if the response is incomplete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head_length) = response.parse(bytes)? else { return Ok(None) };
        let length = response.headers.iter().find(|it| it.name.eq_ignore_ascii_case("content-length"));
        let length: usize = length
            .map_or(Ok(0), |header| std::str::from_utf8(header.value)?.parse().map_err(super::Error::from))?;
        let (head, body) = bytes.split_at(head_length);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let status = response.code.unwrap_or(0);
        Ok((body.len() >= length).then(|| Self { status, head: text(head), body: text(body) }))
    }

    /// Returns the length of the whole response in bytes.
    pub fn length(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Fails unless the response has this status and its body contains `text`.
    pub fn expect(self, status: u16, text: &str) -> Result<Self> {
        if self.status == status && self.body.contains(text) {
            return Ok(self);
        }
        Err(format!("expected status {status} and {text:?} in the body, got {self:?}").into())
    }

    /// Returns a string field of the JSON body.
    pub fn field(&self, name: &str) -> Result<String> {
        let body: Value = serde_json::from_str(&self.body)?;
        body[name]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("no string field {name:?} in {self:?}").into())
    }
}

/// Distributes work over [`CONNECTIONS`] connections, and returns the results in the order of `items`.
pub fn for_each<I: Sync, T: Send>(
    address: SocketAddr,
    items: &[I],
    work: impl Fn(&mut Connection, &I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let work = |items: &[I]| -> Result<Vec<T>> {
        let mut connection = Connection::open(address)?;
        items.iter().map(|item| work(&mut connection, item)).collect()
    };
    thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(CONNECTIONS));
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| work(part))).collect();
        let results = threads.into_iter().map(|thread| thread.join().map_err(|_| "a client panicked")?);
        Ok(results.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })
}
