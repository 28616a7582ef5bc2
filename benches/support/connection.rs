//! A connection that is kept, with one request under way at a time.

use std::{
    io::{self, ErrorKind, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{
    Failure,
    load::{connect, read_answer},
};

/// As long as the service takes for an answer at the most: where other programs have the cores, a hash takes long.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

/// What was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a str,
}

impl Answer<'_> {
    /// The access token in the answer to a sign-in.
    pub fn access_token(&self) -> Result<String, Failure> {
        let token = self.body.split_once("\"access_token\":\"").and_then(|(_, rest)| rest.split_once('"'));
        token.map(|(token, _)| token.to_owned()).ok_or_else(|| format!("no token: {self:?}"))
    }
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, answer: Vec::new() })
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: &str) -> io::Result<Answer<'_>> {
        self.send(request)?;
        self.answer()
    }

    /// Sends a request, or a part of one.
    pub fn send(&mut self, part: &str) -> io::Result<()> {
        self.stream.write_all(part.as_bytes())
    }

    /// Reads the answer to what was sent.
    pub fn answer(&mut self) -> io::Result<Answer<'_>> {
        self.answer.clear();
        read_answer(&mut self.stream, &mut self.answer)?;
        let text = std::str::from_utf8(&self.answer).map_err(io::Error::other)?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        Ok(Answer { status, body })
    }
}
