//! GET /users/me, some hundred times a second: what everybody else has of the service.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::{service::Service, support::Failure};

/// Between an answer and the next request.
const PAUSE: Duration = Duration::from_millis(2);

/// So many keep-alive connections that every worker has some.
const CONNECTIONS: usize = 8;

/// The latencies of one request after another, on each connection in turn.
pub fn latencies(service: &Service, length: Duration) -> Result<Vec<Duration>, Failure> {
    let broken = |error: std::io::Error| format!("GET /users/me: {error}");
    let request = service.users_me();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(service.address).map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(broken)?;
        connections.push(stream);
    }
    let (mut answer, mut latencies) = ([0; 4096], Vec::new());
    let end = Instant::now() + length;
    for turn in 0.. {
        let sent = Instant::now();
        if sent > end {
            break;
        }
        let stream = &mut connections[turn % CONNECTIONS];
        stream.write_all(request.as_bytes()).map_err(broken)?;
        // The answer is short: it comes in one piece.
        let length = stream.read(&mut answer).map_err(broken)?;
        let took = sent.elapsed();
        if !answer[..length].starts_with(b"HTTP/1.1 200 ") || answer[length - 1] != b'}' {
            return Err(format!("GET /users/me: {:?}", String::from_utf8_lossy(&answer[..length])));
        }
        // The first ones wake a worker and fill its caches.
        if turn >= 2 * CONNECTIONS {
            latencies.push(took);
        }
        thread::sleep(PAUSE);
    }
    Ok(latencies)
}
