//! Clients that go on and on: some are recognised, some sign in, some refresh. Each notes what it did not get.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    http::{Request, get, post_form},
    secure_profile::{JOHNDOE, JOHNDOE_OFFLINE, Tokens, within},
    service::TIMEOUT,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    IsRecognised,
    SignsIn,
    Refreshes,
}

/// What each client does.
const WORK: [Work; 8] = [
    Work::IsRecognised,
    Work::IsRecognised,
    Work::IsRecognised,
    Work::SignsIn,
    Work::SignsIn,
    Work::Refreshes,
    Work::Refreshes,
    Work::Refreshes,
];

/// So long nobody waits who is answered.
const STUCK: Duration = Duration::from_millis(300);

pub struct Clients(Vec<Client>);

struct Client {
    work: Work,
    seen: Arc<Seen>,
    thread: JoinHandle<Vec<String>>,
}

/// What others see of a client.
struct Seen {
    is_over: AtomicBool,
    answered: AtomicU32,
    /// When it began to wait for its present answer.
    since: Mutex<Instant>,
}

impl Clients {
    pub fn begin(address: SocketAddr) -> Self {
        Self(WORK.into_iter().map(|work| Client::begin(work, address)).collect())
    }

    /// How many requests were answered rightly so far.
    pub fn answered(&self) -> u32 {
        self.0.iter().map(|client| client.seen.answered.load(Ordering::Relaxed)).sum()
    }

    /// Waits until each of them has been answered `more` times again.
    pub fn wait_for_answers(&self, more: u32) {
        for client in &self.0 {
            let answered = || client.seen.answered.load(Ordering::Relaxed);
            let goal = answered() + more;
            within(TIMEOUT, "clients are answered", || (answered() >= goal).then_some(()));
        }
    }

    /// Waits until none of them is answered any more.
    pub fn wait_until_stuck(&self) {
        let is_stuck = |client: &Client| client.seen.since.lock().unwrap().elapsed() > STUCK;
        within(TIMEOUT, "every client waits", || self.0.iter().all(is_stuck).then_some(()));
    }

    /// Ends them, and says what they did not get.
    pub fn end(self) -> Vec<String> {
        for client in &self.0 {
            client.seen.is_over.store(true, Ordering::Relaxed);
        }
        let lost = |client: Client| {
            let (work, lost) = (client.work, client.thread.join().expect("it went on to its end"));
            lost.into_iter().map(move |lost| format!("{work:?}: {lost}"))
        };
        self.0.into_iter().flat_map(lost).collect()
    }
}

impl Client {
    fn begin(work: Work, address: SocketAddr) -> Self {
        let seen = Arc::new(Seen {
            is_over: AtomicBool::new(false),
            answered: AtomicU32::new(0),
            since: Mutex::new(Instant::now()),
        });
        let tokens = Tokens::of(&post_form("/token", JOHNDOE_OFFLINE).send(address));
        let own = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            let (mut tokens, mut lost) = (tokens, Vec::new());
            while !own.is_over.load(Ordering::Relaxed) {
                *own.since.lock().unwrap() = Instant::now();
                match once(work, &mut tokens, address) {
                    Ok(()) => drop(own.answered.fetch_add(1, Ordering::Relaxed)),
                    Err(why) => lost.push(why),
                }
            }
            lost
        });
        Self { work, seen, thread }
    }
}

/// One request, and what its answer lacks.
fn once(work: Work, tokens: &mut Tokens, address: SocketAddr) -> Result<(), String> {
    let ask = |request: Request| -> Result<Value, String> {
        let reply = request.try_send(address).ok_or("no answer")?;
        if reply.status == 200 { Ok(reply.json()) } else { Err(format!("{} {}", reply.status, reply.text())) }
    };
    let text = |answer: &Value, field: &str| -> Result<String, String> {
        answer[field].as_str().map(str::to_owned).ok_or_else(|| format!("no {field} in {answer}"))
    };
    match work {
        Work::IsRecognised => {
            let user = ask(get("/users/me").bearer(&tokens.access))?;
            let username = text(&user, "username")?;
            if username == "johndoe" { Ok(()) } else { Err(format!("another user: {username}")) }
        }
        Work::SignsIn => text(&ask(post_form("/token", JOHNDOE))?, "access_token").map(drop),
        Work::Refreshes => {
            let form = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh);
            let answer = ask(post_form("/token", form))?;
            tokens.access = text(&answer, "access_token")?;
            tokens.refresh = text(&answer, "refresh_token")?;
            Ok(())
        }
    }
}
