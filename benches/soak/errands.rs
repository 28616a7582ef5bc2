//! What is asked again and again, how often, and what it has to come to.

use std::time::{Duration, Instant};

use crate::{
    client::{Client, SignedIn},
    purse::{Purse, Session},
    slow,
    support::{Failure, connection::Connection, requests::users_me},
};

pub struct Errand {
    pub name: &'static str,
    pub every: Duration,
    pub run: fn(&mut Client, &Purse, usize) -> Result<Outcome, Failure>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// 503, to somebody who wanted to sign in.
    Busy,
    /// Nobody had such a session or token at that moment.
    NothingToDo,
}

/// The first is the one whose latency counts.
pub const ERRANDS: [Errand; 8] = [
    Errand {
        name: "GET /users/me with a token that is known",
        every: Duration::from_millis(5),
        run: read_user,
    },
    Errand {
        name: "sign-in, and GET /users/me with its token",
        every: Duration::from_millis(500),
        run: sign_in,
    },
    Errand { name: "sign-in with a wrong password", every: Duration::from_secs(1), run: sign_in_wrongly },
    Errand {
        name: "refresh, and GET /users/me with the new token",
        every: Duration::from_millis(100),
        run: refresh,
    },
    Errand { name: "revoke, and GET /users/me: 401", every: Duration::from_secs(1), run: revoke },
    Errand {
        name: "GET /users/me with a token that has ended: 401",
        every: Duration::from_secs(1),
        run: be_refused,
    },
    Errand {
        name: "GET /users/me on a connection of its own",
        every: Duration::from_millis(200),
        run: come_and_go,
    },
    Errand {
        name: "slow client, its own pauses included",
        every: Duration::from_secs(10),
        run: slow::be_slow,
    },
];

fn read_user(client: &mut Client, purse: &Purse, turn: usize) -> Result<Outcome, Failure> {
    let token =
        purse.living_token(turn).ok_or("no token is left that is good: this machine is too busy for it")?;
    client.read_user("GET /users/me", &token)?;
    Ok(Outcome::Answered)
}

pub fn sign_in(client: &mut Client, purse: &Purse, turn: usize) -> Result<Outcome, Failure> {
    let began = Instant::now();
    let SignedIn::Yes(tokens) = client.sign_in()? else { return Ok(Outcome::Busy) };
    client.read_user("GET /users/me after a sign-in", &tokens.access)?;
    let session = Session { began, tokens };
    if turn.is_multiple_of(2) {
        purse.keep(session)
    } else {
        purse.doom(session)
    }
    Ok(Outcome::Answered)
}

fn sign_in_wrongly(client: &mut Client, _: &Purse, _: usize) -> Result<Outcome, Failure> {
    let is_busy = matches!(client.sign_in_wrongly()?, SignedIn::Busy);
    Ok(if is_busy { Outcome::Busy } else { Outcome::Answered })
}

fn refresh(client: &mut Client, purse: &Purse, _: usize) -> Result<Outcome, Failure> {
    let Some(session) = purse.next_kept() else { return Ok(Outcome::NothingToDo) };
    let tokens = client.refresh(&session.tokens.refresh)?;
    client.read_user("GET /users/me after a refresh", &tokens.access)?;
    purse.keep(Session { tokens, ..session });
    Ok(Outcome::Answered)
}

fn revoke(client: &mut Client, purse: &Purse, _: usize) -> Result<Outcome, Failure> {
    let Some(session) = purse.next_doomed() else { return Ok(Outcome::NothingToDo) };
    client.revoke(&session.tokens.refresh)?;
    client.is_refused("GET /users/me after POST /revoke", &session.tokens.access)?;
    Ok(Outcome::Answered)
}

fn be_refused(client: &mut Client, purse: &Purse, _: usize) -> Result<Outcome, Failure> {
    let Some(token) = purse.dead_token() else { return Ok(Outcome::NothingToDo) };
    client.is_refused("GET /users/me with a token that has ended", &token)?;
    Ok(Outcome::Answered)
}

fn come_and_go(client: &mut Client, purse: &Purse, turn: usize) -> Result<Outcome, Failure> {
    let Some(token) = purse.living_token(turn) else { return Ok(Outcome::NothingToDo) };
    let broken = |error: std::io::Error| format!("GET /users/me on a connection of its own: {error}");
    let mut connection = Connection::open(client.address).map_err(broken)?;
    let answer = connection.ask(&users_me(&token)).map_err(broken)?;
    if answer.status != 200 || answer.body != client.user {
        return Err(format!("GET /users/me on a connection of its own: {answer:?}"));
    }
    Ok(Outcome::Answered)
}
