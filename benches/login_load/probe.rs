//! Sends GET /users/me a few hundred times a second, to measure how the load affects other clients.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use crate::support::{Connection, Result};

/// The time between a response and the next request.
const PAUSE: Duration = Duration::from_millis(2);
/// The number of connections: enough to reach every worker.
const CONNECTIONS: usize = 8;

/// Sends requests one after another, on each connection in turn, and returns their latencies.
pub fn latencies(address: SocketAddr, request: &str, length: Duration) -> Result<Vec<Duration>> {
    let mut connections = (0..CONNECTIONS).map(|_| Connection::open(address)).collect::<Result<Vec<_>>>()?;
    let (mut latencies, end) = (Vec::new(), Instant::now() + length);
    for turn in 0.. {
        let sent = Instant::now();
        if sent > end {
            break;
        }
        let response = connections[turn % CONNECTIONS].request(request)?;
        let latency = sent.elapsed();
        response.expect(200, "alice")?;
        // The first requests wake workers and fill their caches.
        if turn >= 2 * CONNECTIONS {
            latencies.push(latency);
        }
        thread::sleep(PAUSE);
    }
    Ok(latencies)
}
