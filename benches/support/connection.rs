//! A connection that is kept, with one request under way at a time.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::load::{connect, is_complete};

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
        let mut part = [0; 4096];
        while !is_complete(&self.answer) {
            match self.stream.read(&mut part)? {
                0 if self.answer.is_empty() => return Err(ErrorKind::UnexpectedEof.into()),
                0 => break,
                length => self.answer.extend(&part[..length]),
            }
        }
        let text = std::str::from_utf8(&self.answer).map_err(io::Error::other)?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        Ok(Answer { status, body })
    }
}
