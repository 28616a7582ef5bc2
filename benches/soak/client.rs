//! A client: what it asks, and the one right answer to each.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{
    Failure,
    connection::{Answer, Connection},
    requests::{credentials, form, sign_in, users_me},
    service::PASSWORD,
};

/// In seconds: so short that tokens end all the time.
pub const ACCESS_TOKEN_TTL: u32 = 40;

const REFUSED: &str = r#"{"detail":"Could not validate credentials"}"#;

/// So many that every worker has some.
const CONNECTIONS: usize = 8;

pub struct Client {
    pub address: SocketAddr,
    connections: Vec<Connection>,
    turn: usize,
    /// What GET /users/me answers.
    pub user: String,
}

pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

/// What came of a sign-in.
pub enum SignedIn {
    Yes(Tokens),
    No,
    /// 503.
    Busy,
}

impl Client {
    pub fn new(address: SocketAddr, user: &str) -> Self {
        Self { address, connections: Vec::new(), turn: 0, user: user.to_owned() }
    }

    pub fn sign_in(&mut self) -> Result<SignedIn, Failure> {
        let request = form("/token", &(credentials(PASSWORD) + "&scope=me+offline_access"));
        self.ask("POST /token", &request, |answer| match answer.status {
            200 => tokens(answer.body).map(SignedIn::Yes),
            503 => Some(SignedIn::Busy),
            _ => None,
        })
    }

    pub fn sign_in_wrongly(&mut self) -> Result<SignedIn, Failure> {
        self.ask("POST /token with a wrong password", &sign_in("wrong"), |answer| match answer.status {
            400 if answer.body.contains(r#""error":"invalid_grant""#) => Some(SignedIn::No),
            503 => Some(SignedIn::Busy),
            _ => None,
        })
    }

    pub fn refresh(&mut self, refresh_token: &str) -> Result<Tokens, Failure> {
        let request = form("/token", &format!("grant_type=refresh_token&refresh_token={refresh_token}"));
        self.ask("POST /token with a refresh token", &request, |answer| {
            (answer.status == 200).then(|| tokens(answer.body)).flatten()
        })
    }

    pub fn revoke(&mut self, refresh_token: &str) -> Result<(), Failure> {
        let request = form("/revoke", &format!("token={refresh_token}"));
        self.ask("POST /revoke", &request, |answer| {
            (answer.status == 200 && answer.body.is_empty()).then_some(())
        })
    }

    pub fn read_user(&mut self, what: &str, token: &str) -> Result<(), Failure> {
        let user = self.user.clone();
        self.ask(what, &users_me(token), |answer| (answer.status == 200 && answer.body == user).then_some(()))
    }

    /// GET /users/me with a token that counts no more.
    pub fn is_refused(&mut self, what: &str, token: &str) -> Result<(), Failure> {
        self.ask(what, &users_me(token), |answer| {
            (answer.status == 401 && answer.body == REFUSED).then_some(())
        })
    }

    /// On each connection in turn; nothing is made of a wrong answer.
    fn ask<T>(
        &mut self,
        what: &str,
        request: &str,
        read: impl FnOnce(Answer<'_>) -> Option<T>,
    ) -> Result<T, Failure> {
        let broken = |error: std::io::Error| format!("{what}: {error}");
        let turn = self.turn % CONNECTIONS;
        self.turn += 1;
        // Not before it is needed: one on which no request comes is closed.
        if turn == self.connections.len() {
            self.connections.push(Connection::open(self.address).map_err(broken)?);
        }
        let answer = self.connections[turn].ask(request).map_err(broken)?;
        read(answer).ok_or_else(|| format!("{what}: {answer:?}"))
    }
}

/// Both tokens of an answer that is right.
fn tokens(body: &str) -> Option<Tokens> {
    let answer: Value = serde_json::from_str(body).ok()?;
    let text = |field: &str| answer[field].as_str().map(str::to_owned);
    let is_right = answer["token_type"] == "bearer" && answer["expires_in"] == ACCESS_TOKEN_TTL;
    is_right.then_some(Tokens { access: text("access_token")?, refresh: text("refresh_token")? })
}
