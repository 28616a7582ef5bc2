//! The kinds of requests, and clients that send them.

use std::{net::SocketAddr, thread, time::Instant};

use crate::support::{
    Connection, Response, Result,
    requests::{form, users_me},
};

/// The number of users. Each user is one client.
pub const USERS: usize = 8;
/// The number of requests of each kind per client.
const EACH: usize = 200;
/// The number of requests of each kind by all clients.
pub const REQUESTS: f64 = (EACH * USERS) as f64;

/// The kinds of requests, in the order in which a client sends them. Each kind uses the tokens of the previous one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    SignIn,
    FirstSeen,
    Cached,
    Refresh,
    Revoke,
}

pub const KINDS: [Kind; 5] = [Kind::SignIn, Kind::FirstSeen, Kind::Cached, Kind::Refresh, Kind::Revoke];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::SignIn => "POST /token with a password",
            Self::FirstSeen => "GET /users/me with a token seen for the first time",
            Self::Cached => "GET /users/me with a cached token",
            Self::Refresh => "POST /token with a refresh token",
            Self::Revoke => "POST /revoke with an access token",
        }
    }
}

pub fn username(user: usize) -> String {
    format!("user{user}")
}

pub fn password(user: usize) -> String {
    format!("user{user}-own-passphrase")
}

pub struct Client {
    connection: Connection,
    user: usize,
    /// Access and refresh tokens.
    tokens: Vec<(String, String)>,
}

/// Returns a client for each user. All replicas get the same number of clients.
pub fn clients(replicas: &[SocketAddr]) -> Result<Vec<Client>> {
    let addresses = replicas.iter().cycle().enumerate().take(USERS);
    let client = |(user, address): (usize, &SocketAddr)| {
        Ok(Client { connection: Connection::open(*address)?, user, tokens: Vec::new() })
    };
    addresses.map(client).collect()
}

/// Sends the requests of a kind from all clients concurrently. Returns the duration in seconds.
pub fn run(clients: &mut [Client], kind: Kind) -> Result<f64> {
    let start = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = clients.iter_mut().map(|client| scope.spawn(|| client.run(kind))).collect();
        let results = threads.into_iter().map(|thread| thread.join().map_err(|_| "a client panicked")?);
        results.collect::<Result<()>>().map_err(|error| format!("{}: {error}", kind.name()))
    })?;
    Ok(start.elapsed().as_secs_f64())
}

impl Client {
    fn run(&mut self, kind: Kind) -> Result<()> {
        let username = username(self.user);
        let mut send = |request: &str| self.connection.request(request)?.expect(200, "");
        let tokens = |response: Response| -> Result<(String, String)> {
            Ok((response.field("access_token")?, response.field("refresh_token")?))
        };
        if kind == Kind::SignIn {
            let password = password(self.user);
            let fields = format!("username={username}&password={password}&scope=me+offline_access");
            let request = form("/token", &fields);
            self.tokens = (0..EACH).map(|_| tokens(send(&request)?)).collect::<Result<_>>()?;
            return Ok(());
        }
        for (access, refresh) in &mut self.tokens {
            match kind {
                Kind::SignIn | Kind::FirstSeen | Kind::Cached => {
                    drop(send(&users_me(access))?.expect(200, &username)?)
                }
                Kind::Refresh => {
                    let fields = format!("grant_type=refresh_token&refresh_token={refresh}");
                    (*access, *refresh) = tokens(send(&form("/token", &fields))?)?;
                }
                Kind::Revoke => drop(send(&form("/revoke", &format!("token={access}")))?),
            }
        }
        Ok(())
    }
}
