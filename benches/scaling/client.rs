//! A client: one keep-alive connection, one request under way at any time.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{Failure, connection::Connection, requests};

pub struct Client(Connection);

impl Client {
    pub fn connect(address: SocketAddr) -> Result<Self, Failure> {
        Connection::open(address).map(Self).map_err(|error| format!("no connection to {address}: {error}"))
    }

    /// GET /users/me, which has to be answered with this user.
    pub fn users_me(&mut self, token: &str, username: &str) -> Result<(), Failure> {
        let user = self.ask(&requests::users_me(token))?;
        if user["username"] == username { Ok(()) } else { Err(format!("another user: {user}")) }
    }

    /// A POST of a form, which has to be answered with 200.
    pub fn post(&mut self, path: &str, form: &str) -> Result<Value, Failure> {
        self.ask(&requests::form(path, form))
    }

    /// The JSON of a good answer; null for one without a body.
    fn ask(&mut self, request: &str) -> Result<Value, Failure> {
        let answer = self.0.ask(request).map_err(|error| format!("no answer: {error}"))?;
        match answer.status {
            200 if answer.body.is_empty() => Ok(Value::Null),
            200 => serde_json::from_str(answer.body).map_err(|error| error.to_string()),
            _ => Err(format!("{answer:?}")),
        }
    }
}
