//! The kinds of requests, and clients that make so many of each.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use crate::{
    client::Client,
    replicas::{USERS, password, username},
    support::Failure,
};

/// How many requests of a kind each client makes.
const EACH: usize = 200;
/// How many requests of a kind all of them make.
pub const REQUESTS: f64 = (EACH * USERS) as f64;

/// In the order in which a client makes them: each takes the tokens of the one before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    SignIn,
    FirstSeen,
    Remembered,
    Refresh,
    Revoke,
}

pub const KINDS: [Kind; 5] = [Kind::SignIn, Kind::FirstSeen, Kind::Remembered, Kind::Refresh, Kind::Revoke];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::SignIn => "POST /token, a password",
            Self::FirstSeen => "GET /users/me, a token seen for the first time",
            Self::Remembered => "GET /users/me, a token that is remembered",
            Self::Refresh => "POST /token, a refresh token",
            Self::Revoke => "POST /revoke, an access token",
        }
    }
}

/// A client of one replica, with a user of its own.
pub struct Caller {
    client: Client,
    user: usize,
    /// Access tokens and refresh tokens.
    tokens: Vec<(String, String)>,
}

/// A client for each user; the replicas have as many each.
pub fn callers(replicas: &[SocketAddr]) -> Result<Vec<Caller>, Failure> {
    let addresses = replicas.iter().cycle().enumerate().take(USERS);
    addresses
        .map(|(user, address)| Ok(Caller { client: Client::connect(*address)?, user, tokens: Vec::new() }))
        .collect()
}

/// All of them at once; how long it took.
pub fn run(callers: &mut [Caller], kind: Kind) -> Result<Duration, Failure> {
    let start = Instant::now();
    let done: Result<(), Failure> = thread::scope(|scope| {
        let running: Vec<_> =
            callers.iter_mut().map(|caller| scope.spawn(move || caller.run(kind))).collect();
        running
            .into_iter()
            .try_for_each(|caller| caller.join().map_err(|_| "a client panicked".to_owned())?)
    });
    done.map_err(|why| format!("{}: {why}", kind.name()))?;
    Ok(start.elapsed())
}

impl Caller {
    fn run(&mut self, kind: Kind) -> Result<(), Failure> {
        let (user, client) = (self.user, &mut self.client);
        if kind == Kind::SignIn {
            let (username, password) = (username(user), password(user));
            let form = format!("username={username}&password={password}&scope=me+offline_access");
            self.tokens.clear();
            for _ in 0..EACH {
                self.tokens.push(tokens(client, &form)?);
            }
            return Ok(());
        }
        for (access, refresh) in &mut self.tokens {
            match kind {
                Kind::FirstSeen | Kind::Remembered => client.users_me(access, &username(user))?,
                Kind::Refresh => {
                    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
                    (*access, *refresh) = tokens(client, &form)?;
                }
                Kind::Revoke => drop(client.post("/revoke", &format!("token={access}"))?),
                Kind::SignIn => {}
            }
        }
        Ok(())
    }
}

fn tokens(client: &mut Client, form: &str) -> Result<(String, String), Failure> {
    let answer = client.post("/token", form)?;
    let token = |name: &str| answer[name].as_str().map(str::to_owned).ok_or(format!("no {name}: {answer}"));
    Ok((token("access_token")?, token("refresh_token")?))
}
