//! GET /users/me, some hundred times a second: what everybody else has of the service.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::support::{Failure, connection::Connection, service::Service};

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
        connections.push(Connection::open(service.address).map_err(broken)?);
    }
    let mut latencies = Vec::new();
    let end = Instant::now() + length;
    for turn in 0.. {
        let sent = Instant::now();
        if sent > end {
            break;
        }
        let answer = connections[turn % CONNECTIONS].ask(&request).map_err(broken)?;
        let took = sent.elapsed();
        if answer.status != 200 || !answer.body.ends_with('}') {
            return Err(format!("GET /users/me: {answer:?}"));
        }
        // The first ones wake a worker and fill its caches.
        if turn >= 2 * CONNECTIONS {
            latencies.push(took);
        }
        thread::sleep(PAUSE);
    }
    Ok(latencies)
}
