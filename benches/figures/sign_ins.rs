//! Users sign in, one after another on each of some connections.

use std::{net::SocketAddr, thread};

use crate::{
    peer::Peer,
    support::{Failure, connection::Connection, requests},
};

/// Everybody's.
pub const PASSWORD: &str = "secret";
const CONNECTIONS: usize = 8;

/// POST /token with a user's form.
pub fn request(username: &str) -> String {
    requests::form("/token", &format!("username={username}&password={PASSWORD}"))
}

/// A token for one user, as soon as the server gives one.
pub fn token(peer: &Peer, username: &str) -> Result<String, Failure> {
    peer.await_done(|| Ok(one_by_one(peer.address, &[username.to_owned()])?.remove(0)))
}

/// A token for each of these users.
pub fn tokens(peer: &Peer, names: &[String]) -> Result<Vec<String>, Failure> {
    token(peer, names.first().ok_or("nobody signs in")?)?;
    let address = peer.address;
    thread::scope(|scope| {
        let parts = names.chunks(names.len().div_ceil(CONNECTIONS));
        let threads: Vec<_> = parts.map(|names| scope.spawn(move || one_by_one(address, names))).collect();
        let mut tokens = Vec::with_capacity(names.len());
        for thread in threads {
            tokens.extend(thread.join().map_err(|_| "signing in panicked")??);
        }
        Ok(tokens)
    })
}

fn one_by_one(address: SocketAddr, names: &[String]) -> Result<Vec<String>, Failure> {
    let broken = |error: std::io::Error| format!("POST /token: {error}");
    let mut connection = Connection::open(address).map_err(broken)?;
    let token = |name: &String| connection.ask(&request(name)).map_err(broken)?.access_token();
    names.iter().map(token).collect()
}
