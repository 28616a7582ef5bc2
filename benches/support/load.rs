//! A load: keep-alive connections from one thread, each with one request under way at any time.
//!
//! The connections are read in turn, blocking. That costs the client one read and one write a request and no
//! more, so that the server is what is measured.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::Failure;

pub const CONNECTIONS: usize = 32;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Requests, which are sent in turn, and the body of the one right answer to each. All answers are of one length.
pub struct Exchange {
    turns: Vec<Turn>,
    /// Whose turn it is: a load goes on where the last one ended.
    next: Cell<usize>,
}

struct Turn {
    request: Vec<u8>,
    body: Vec<u8>,
}

/// When a load ends.
#[derive(Clone, Copy)]
pub enum Until {
    /// After this time.
    Passed(Duration),
    /// After so many answers.
    Answered(usize),
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
    turn: usize,
}

impl Exchange {
    pub fn new(request: &str, body: &str) -> Self {
        Self::in_turn([(request.to_owned(), body.to_owned())])
    }

    /// Of these requests and bodies, at least one.
    pub fn in_turn(turns: impl IntoIterator<Item = (String, String)>) -> Self {
        let turns =
            turns.into_iter().map(|(request, body)| Turn { request: request.into(), body: body.into() });
        let turns: Vec<_> = turns.collect();
        assert!(!turns.is_empty(), "there is nothing to send");
        Self { turns, next: Cell::new(0) }
    }

    /// The same requests where each has this one answer.
    pub fn answered_by(self, body: &str) -> Self {
        let turns = self.turns.into_iter().map(|turn| Turn { body: body.into(), ..turn });
        Self { turns: turns.collect(), next: Cell::new(0) }
    }

    /// How many requests there are.
    pub fn count(&self) -> usize {
        self.turns.len()
    }

    /// Begins with the first one again.
    pub fn rewind(&self) {
        self.next.set(0);
    }

    /// One request on a connection of its own.
    pub fn once(&self, address: SocketAddr) -> Result<(), Failure> {
        self.answer(address).map(drop)
    }

    /// Keeps `address` busy for `length`.
    pub fn run(&self, address: SocketAddr, length: Duration) -> Result<Run, Failure> {
        self.run_on(CONNECTIONS, address, Until::Passed(length))
    }

    /// Keeps so many connections to `address` busy.
    pub fn run_on(&self, count: usize, address: SocketAddr, until: Until) -> Result<Run, Failure> {
        let broken = |error: io::Error| format!("a connection to {address} broke: {error}");
        // Every answer has the length of the first: the date's does not change.
        let mut answer = vec![0; self.answer(address)?.len()];
        let mut receive = |connection: &mut Connection| {
            connection.stream.read_exact(&mut answer).map_err(broken)?;
            self.check(connection.turn, &answer)
        };
        let count = match until {
            Until::Passed(_) => count,
            Until::Answered(answers) => count.min(answers),
        };
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            let stream = connect(address).map_err(broken)?;
            connections.push(Connection { stream, sent: Instant::now(), turn: 0 });
        }

        let start = Instant::now();
        for connection in &mut connections {
            self.send(connection, Instant::now()).map_err(broken)?;
        }
        let mut latencies = Vec::with_capacity(1 << 18);
        let mut turn = 0;
        let elapsed = loop {
            let connection = &mut connections[turn];
            turn = (turn + 1) % count;
            receive(connection)?;
            let now = Instant::now();
            latencies.push(now - connection.sent);
            let left = match until {
                Until::Passed(length) => now - start < length,
                Until::Answered(answers) => latencies.len() + count <= answers,
            };
            if !left {
                break now - start;
            }
            self.send(connection, now).map_err(broken)?;
        };
        // The answers that are still under way are checked, but came too late to count.
        for waiting in 0..count - 1 {
            receive(&mut connections[(turn + waiting) % count])?;
        }
        Ok(Run { elapsed, latencies })
    }

    /// The request whose turn it is.
    pub fn take_turn(&self) -> usize {
        let turn = self.next.get();
        self.next.set(if turn + 1 == self.turns.len() { 0 } else { turn + 1 });
        turn
    }

    pub fn request(&self, turn: usize) -> &[u8] {
        &self.turns[turn].request
    }

    fn send(&self, connection: &mut Connection, now: Instant) -> io::Result<()> {
        (connection.sent, connection.turn) = (now, self.take_turn());
        connection.stream.write_all(self.request(connection.turn))
    }

    /// The whole right answer to the request whose turn it is, on a connection of its own.
    pub fn answer(&self, address: SocketAddr) -> Result<Vec<u8>, Failure> {
        let turn = self.take_turn();
        let answer =
            ask(address, self.request(turn)).map_err(|error| format!("no answer from {address}: {error}"))?;
        self.check(turn, &answer)?;
        Ok(answer)
    }

    pub fn check(&self, turn: usize, answer: &[u8]) -> Result<(), Failure> {
        if answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(&self.turns[turn].body) {
            return Ok(());
        }
        Err(format!("a wrong answer: {:?}", String::from_utf8_lossy(answer)))
    }
}

/// The whole answer to one request, on a connection of its own.
pub fn ask(address: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(address)?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    read_answer(&mut stream, &mut answer)?;
    Ok(answer)
}

/// Reads on until an answer is whole, or cut off.
pub(super) fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut part = [0; 4096];
    while !is_complete(answer) {
        match stream.read(&mut part)? {
            0 if answer.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            length => answer.extend(&part[..length]),
        }
    }
    Ok(())
}

fn is_complete(answer: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head_length)) = head.parse(answer) else {
        return false;
    };
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    answer.len() - head_length >= length.unwrap_or(0)
}

pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}
