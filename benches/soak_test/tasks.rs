//! The requests that clients repeat, and their expected responses.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use crate::{
    sessions::{Session, Sessions, lock},
    support::{
        Connection, Response, Result,
        gatepass::PASSWORD,
        requests::{form, sign_in, users_me},
    },
};

const PAUSE: Duration = Duration::from_millis(500);
/// The number of connections: enough to reach every worker.
const CONNECTIONS: usize = 8;

/// Runs a task once. The number is the index of the run.
type Run = fn(&mut Client<'_>, usize) -> Result<Outcome>;

pub struct Task {
    pub name: &'static str,
    pub every: Duration,
    run: Run,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// A sign-in returned 503.
    Busy,
    /// No session or token was available.
    NothingToDo,
}

/// The tasks. The report relies on this order: the first one has a latency goal, and the second and third are sign-ins.
pub const TASKS: [Task; 8] = [
    Task::every(5, "GET /users/me with a cached token", |client, turn| {
        let token = client.sessions().valid_token(turn);
        let token = token.ok_or("no valid token is left: the machine is too busy")?;
        client.send(&users_me(&token))?.expect(200, USER)?;
        Ok(Outcome::Done)
    }),
    Task::every(500, "sign-in, and GET /users/me with its token", |client, turn| client.sign_in(turn)),
    Task::every(1000, "sign-in with a wrong password", |client, _| {
        match client.send(&sign_in("johndoe", "wrong"))? {
            response if response.status == 503 => Ok(Outcome::Busy),
            response => response.expect(400, r#""error":"invalid_grant""#).map(|_| Outcome::Done),
        }
    }),
    Task::every(100, "refresh, and GET /users/me with the new token", |client, _| {
        let Some(session) = client.sessions().next_to_refresh() else { return Ok(Outcome::NothingToDo) };
        let fields = format!("grant_type=refresh_token&refresh_token={}", session.refresh);
        let response = client.send(&form("/token", &fields))?.expect(200, "")?;
        let session = client.session(&response, session.began)?;
        client.sessions().add(session);
        Ok(Outcome::Done)
    }),
    Task::every(1000, "revoke, and GET /users/me: 401", |client, _| {
        let Some(session) = client.sessions().to_revoke.pop_front() else { return Ok(Outcome::NothingToDo) };
        client.send(&form("/revoke", &format!("token={}", session.refresh)))?.expect(200, "")?;
        client.send(&users_me(&session.access))?.expect(401, UNAUTHORIZED)?;
        Ok(Outcome::Done)
    }),
    Task::every(1000, "GET /users/me with an expired token: 401", |client, _| {
        let Some(token) = client.sessions().expired_token() else { return Ok(Outcome::NothingToDo) };
        client.send(&users_me(&token))?.expect(401, UNAUTHORIZED)?;
        Ok(Outcome::Done)
    }),
    Task::every(200, "GET /users/me on a new connection", |client, turn| {
        let Some(token) = client.sessions().valid_token(turn) else { return Ok(Outcome::NothingToDo) };
        Connection::open(client.address)?.request(&users_me(&token))?.expect(200, USER)?;
        Ok(Outcome::Done)
    }),
    Task::every(10_000, "slow client, including its pauses", be_slow),
];

const USER: &str = r#""username":"johndoe""#;
const UNAUTHORIZED: &str = r#"{"detail":"Could not validate credentials"}"#;

/// Alternates between a client that sends its request in parts and a client that never completes it.
fn be_slow(client: &mut Client<'_>, turn: usize) -> Result<Outcome> {
    let Some(token) = client.sessions().valid_token(turn) else { return Ok(Outcome::NothingToDo) };
    let request = users_me(&token);
    let (first, rest) = request.split_at(request.len() / 2);
    let (second, third) = rest.split_at(rest.len() / 2);
    let mut connection = Connection::open(client.address)?;
    connection.send(first)?;
    if !turn.is_multiple_of(2) {
        connection.receive()?.expect(408, "")?;
        return Ok(Outcome::Done);
    }
    for part in [second, third] {
        thread::sleep(PAUSE);
        connection.send(part)?;
    }
    connection.receive()?.expect(200, USER)?;
    Ok(Outcome::Done)
}

impl Task {
    const fn every(milliseconds: u64, name: &'static str, run: Run) -> Self {
        Self { name, every: Duration::from_millis(milliseconds), run }
    }

    pub fn run(&self, client: &mut Client<'_>, turn: usize) -> Result<Outcome> {
        (self.run)(client, turn).map_err(|error| format!("{}: {error}", self.name).into())
    }
}

pub struct Client<'a> {
    address: SocketAddr,
    sessions: &'a Mutex<Sessions>,
    connections: Vec<Connection>,
    requests: usize,
}

impl<'a> Client<'a> {
    pub fn new(address: SocketAddr, sessions: &'a Mutex<Sessions>) -> Self {
        Self { address, sessions, connections: Vec::new(), requests: 0 }
    }

    fn sessions(&self) -> MutexGuard<'a, Sessions> {
        lock(self.sessions)
    }

    /// Sends a request on the next connection; the connections take turns.
    fn send(&mut self, request: &str) -> Result<Response> {
        let turn = self.requests % CONNECTIONS;
        self.requests += 1;
        // Connections are opened when they are first used, since the service closes idle ones.
        if turn == self.connections.len() {
            self.connections.push(Connection::open(self.address)?);
        }
        self.connections[turn].request(request)
    }

    pub fn sign_in(&mut self, turn: usize) -> Result<Outcome> {
        let began = Instant::now();
        let password = PASSWORD.replace(' ', "+");
        let fields = format!("username=johndoe&password={password}&scope=me+offline_access");
        let response = self.send(&form("/token", &fields))?;
        if response.status == 503 {
            return Ok(Outcome::Busy);
        }
        let session = self.session(&response.expect(200, "")?, began)?;
        let mut sessions = self.sessions();
        if turn.is_multiple_of(2) {
            sessions.add(session)
        } else {
            sessions.to_revoke.push_back(session)
        }
        Ok(Outcome::Done)
    }

    /// Returns the session of a token response. Fails if its access token is not valid.
    fn session(&mut self, response: &Response, began: Instant) -> Result<Session> {
        let (access, refresh) = (response.field("access_token")?, response.field("refresh_token")?);
        self.send(&users_me(&access))?.expect(200, USER)?;
        Ok(Session { began, access, refresh })
    }
}
