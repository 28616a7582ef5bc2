//! GET /users/me some hundred times a second: what clients notice of the load.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use crate::support::{Connection, Result};

/// Between a response and the next request.
const PAUSE: Duration = Duration::from_millis(2);
/// Enough connections for every worker.
const CONNECTIONS: usize = 8;

/// The latencies of one request after another, on each connection in turn.
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
        response.expect(200, "johndoe")?;
        // The first ones wake workers and fill their caches.
        if turn >= 2 * CONNECTIONS {
            latencies.push(latency);
        }
        thread::sleep(PAUSE);
    }
    Ok(latencies)
}
