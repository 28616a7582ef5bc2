//! Clients that send requests without a pause and record every request that failed.

use std::{
    mem,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    http::{Request, get, post_form},
    secure_profile::{JOHNDOE_OFFLINE, Tokens},
    service::TIMEOUT,
    wait::wait_until,
};

#[derive(Clone, Copy, Debug)]
enum Work {
    Profile,
    SignIn,
    Refresh,
}

/// The kind of request that each client sends.
const CLIENTS: [Work; 8] = [
    Work::Profile,
    Work::Profile,
    Work::Profile,
    Work::SignIn,
    Work::SignIn,
    Work::Refresh,
    Work::Refresh,
    Work::Refresh,
];

const ALICE: &str = "username=alice&password=alice's+own+passphrase";

/// The time without any response after which the clients are considered stalled.
const STALL: Duration = Duration::from_millis(300);

pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    /// The number of successful responses to each client.
    responses: [AtomicU32; CLIENTS.len()],
}

impl Load {
    pub fn start(address: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let start = |client: usize| {
            let (shared, work) = (Arc::clone(&shared), CLIENTS[client]);
            let mut tokens = Tokens::of(&post_form("/token", JOHNDOE_OFFLINE).send(address));
            thread::spawn(move || {
                let mut failures = Vec::new();
                while !shared.is_over.load(Ordering::Relaxed) {
                    match send(work, &mut tokens, address) {
                        Ok(()) => _ = shared.responses[client].fetch_add(1, Ordering::Relaxed),
                        Err(why) => failures.push(format!("{work:?}: {why}")),
                    }
                }
                failures
            })
        };
        let threads = (0..CLIENTS.len()).map(start).collect();
        Self { shared, threads }
    }

    fn counts(&self) -> [u32; CLIENTS.len()] {
        self.shared.responses.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Returns the number of successful responses so far.
    pub fn responses(&self) -> u32 {
        self.counts().iter().sum()
    }

    /// Waits until each client has received this many further responses.
    pub fn wait_for_responses(&self, more: u32) {
        let before = self.counts();
        wait_until(TIMEOUT, "every client gets responses", || {
            self.counts().iter().zip(before).all(|(now, before)| *now >= before + more)
        });
    }

    /// Waits until the clients are stalled.
    pub fn wait_until_stalled(&self) {
        let (mut last, mut since) = (self.responses(), Instant::now());
        wait_until(TIMEOUT, "the clients stall", || {
            if self.responses() != last {
                (last, since) = (self.responses(), Instant::now());
            }
            since.elapsed() > STALL
        });
    }

    /// Stops the clients, and returns their failed requests.
    pub fn stop(mut self) -> Vec<String> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        mem::take(&mut self.threads).into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

/// Stops the clients if the test fails.
impl Drop for Load {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

/// Sends one request. If the request fails, returns the reason.
fn send(work: Work, tokens: &mut Tokens, address: SocketAddr) -> Result<(), String> {
    let send = |request: Request| -> Result<Value, String> {
        let reply = request.try_send(address).ok_or("no response")?;
        if reply.status == 200 { Ok(reply.json()) } else { Err(format!("{} {}", reply.status, reply.text())) }
    };
    let text = |response: &Value, field: &str| -> Result<String, String> {
        response[field].as_str().map(str::to_owned).ok_or_else(|| format!("no {field} in {response}"))
    };
    match work {
        Work::Profile => {
            let username = text(&send(get("/users/me").bearer(&tokens.access))?, "username")?;
            if username == "johndoe" { Ok(()) } else { Err(format!("expected johndoe, got {username}")) }
        }
        // Alice signs in, so that new sessions do not evict those of the other clients.
        Work::SignIn => text(&send(post_form("/token", ALICE))?, "access_token").map(drop),
        Work::Refresh => {
            let form = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh);
            let response = send(post_form("/token", form))?;
            tokens.access = text(&response, "access_token")?;
            tokens.refresh = text(&response, "refresh_token")?;
            Ok(())
        }
    }
}
