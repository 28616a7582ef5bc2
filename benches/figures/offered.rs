//! A load that is offered whatever the answers do: requests fall due at random moments, at a rate, and are late where
//! the server is.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{
    Failure,
    load::{self, Exchange},
};

const CONNECTIONS: usize = 256;
/// How long the last answers may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request that was sent.
struct UnderWay {
    stream: TcpStream,
    due: Duration,
    turn: usize,
}

/// From when a request fell due to its answer's last byte, one for every request.
pub fn latencies(
    exchange: &Exchange,
    address: SocketAddr,
    rate: f64,
    length: Duration,
) -> Result<Vec<Duration>, Failure> {
    let broken = |error: std::io::Error| format!("a connection to {address} broke: {error}");
    let mut answer = exchange.answer(address)?;
    let mut free = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let stream = load::connect(address).map_err(broken)?;
        stream.set_nonblocking(true).map_err(broken)?;
        free.push(stream);
    }
    let mut under_way: VecDeque<UnderWay> = VecDeque::with_capacity(CONNECTIONS);
    let (mut moments, mut latencies, mut read) = (Moments::new(rate), Vec::new(), 0);
    let mut due = moments.next();
    let start = Instant::now();
    while due < length || !under_way.is_empty() {
        let now = start.elapsed();
        if now > length + TIMEOUT {
            return Err(format!("{address} is behind by more than {} s", TIMEOUT.as_secs()));
        }
        if due <= now
            && due < length
            && let Some(mut stream) = free.pop()
        {
            let turn = exchange.take_turn();
            stream.write_all(exchange.request(turn)).map_err(broken)?;
            under_way.push_back(UnderWay { stream, due, turn });
            due = moments.next();
        }
        // One worker answers about in the order of the requests: the oldest one is waited for.
        let Some(oldest) = under_way.front_mut() else { continue };
        match oldest.stream.read(&mut answer[read..]) {
            Ok(0) => return Err(format!("{address} closed a connection")),
            Ok(length) => read += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(broken(error)),
        }
        if read == answer.len()
            && let Some(done) = under_way.pop_front()
        {
            read = 0;
            latencies.push(start.elapsed().saturating_sub(done.due));
            exchange.check(done.turn, &answer)?;
            free.push(done.stream);
        }
    }
    Ok(latencies)
}

/// When requests fall due: as if of many clients that know nothing of each other. The same at every run.
struct Moments {
    state: u64,
    last: f64,
    rate: f64,
}

impl Moments {
    fn new(rate: f64) -> Self {
        Self { state: 0, last: 0.0, rate }
    }

    fn next(&mut self) -> Duration {
        // SplitMix64; its upper half is enough for a number between 0 and 1.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let upper = u32::try_from((bits ^ (bits >> 31)) >> 32).unwrap_or_default();
        let random = (f64::from(upper) + 1.0) / (f64::from(u32::MAX) + 2.0);
        self.last -= random.ln() / self.rate;
        Duration::from_secs_f64(self.last)
    }
}
