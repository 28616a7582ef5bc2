//! The service of the secure profile, the real program, and what one asks of it.

use std::{
    net::{SocketAddr, TcpListener},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{
    program::Gatepass,
    support::{
        http::{Reply, get, post_form},
        service::Program,
    },
};

/// Within this a running service sees what a command changed.
pub const SECOND: Duration = Duration::from_secs(1);

/// Where a test says nothing else: a free port, one worker, and hashes that are quick.
const USUAL: [(&str, &str); 5] = [
    ("GATEPASS_PROFILE", "secure"),
    ("GATEPASS_BIND", "127.0.0.1:0"),
    ("GATEPASS_WORKERS", "1"),
    ("GATEPASS_ARGON2_MEMORY", "1024"),
    ("GATEPASS_ARGON2_ITERATIONS", "1"),
];

/// A running service.
pub struct Service {
    pub program: Program,
    pub address: SocketAddr,
}

/// The program on the database, about to serve.
pub fn serving(gatepass: &Gatepass, arguments: &[&str]) -> Command {
    let mut command = gatepass.command(&[&["serve"], arguments].concat());
    command.envs(USUAL);
    command
}

pub fn serve(gatepass: &Gatepass, arguments: &[&str]) -> Service {
    Service::run(&mut serving(gatepass, arguments))
}

/// Adds johndoe, who may be granted `me` and `users:read`.
pub fn add_johndoe(gatepass: &Gatepass) {
    let profile = ["--full-name", "John Doe", "--email", "johndoe@example.com", "--scopes", "me users:read"];
    gatepass.add("johndoe", &profile).done();
}

/// What johndoe signs in with.
pub const JOHNDOE: &str = "username=johndoe&password=johndoe's+own+passphrase";

impl Service {
    pub fn run(command: &mut Command) -> Self {
        let program = Program::run(command);
        let address = program.address();
        Self { program, address }
    }

    /// Posts a form to /token.
    pub fn sign_in(&self, form: &str) -> Reply {
        post_form("/token", form).send(self.address)
    }

    /// The token that a sign-in gives.
    #[track_caller]
    pub fn token(&self, form: &str) -> String {
        access_token(&self.sign_in(form))
    }

    pub fn users_me(&self, token: &str) -> Reply {
        get("/users/me").bearer(token).send(self.address)
    }
}

#[track_caller]
pub fn access_token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["access_token"].as_str().expect("a token").to_owned()
}

/// An answer's status, its `detail` and its challenge.
pub fn outcome(reply: &Reply) -> (u16, Value, Option<String>) {
    (reply.status, reply.json()["detail"].clone(), reply.header("www-authenticate"))
}

/// A token's header and its claims.
pub fn read(token: &str) -> (Value, Value) {
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).expect("JSON");
    (json(parts[0]), json(parts[1]))
}

/// Asks until there is an answer, for so long at the most.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        let asked = Instant::now();
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(asked - start < limit, "not within {limit:?}: {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// An address that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
